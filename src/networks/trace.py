"""A network's layers in the order in which an image passes them, with sizes, costs and receptive fields.

The network runs once on the meta device, shapes without numbers, while every call of torch is watched; so what is found
is what happens, in any network, whether a layer is a module or a function, with all branches and shortcuts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from src.networks.arithmetic import LayerCounts
from src.networks.meta import meta_state, run_on_meta
from src.networks.receptive_field import Axis, Positions, ReceptiveField

Kind = Literal["convolution", "dense", "pooling", "adaptive pooling", "normalization", "other"]


@dataclass(frozen=True)
class Layer:
    """One layer as an image meets it."""

    name: str
    """The module that it belongs to, by its place in the network."""
    kind: Kind
    detail: str
    """What a person wants to know of it: `3x3, stride 2`."""
    output: tuple[int, ...]
    """The output's dimensions without the batch, channels first."""
    parameters: int
    """Learned parameters, counted where they are met first."""
    multiply_adds: int
    field: ReceptiveField | None
    """None where units have no place in the image."""

    @property
    def neurons(self) -> int:
        """Return the number of units of the output."""
        return prod(self.output)


@dataclass(frozen=True)
class Trace:
    """What a network does with one image."""

    layers: tuple[Layer, ...]
    fields: Mapping[str, ReceptiveField]
    """The receptive field of each module's output that is a feature map, by the module's name."""
    longest_path: int
    """Learned layers on the longest way from the image to the output."""
    parameters: int
    """Learned parameters on the way from the image to the output."""
    unused_parameters: int
    """Those that take no part in evaluation, as the intermediate classifiers of GoogLeNet."""

    @property
    def counts(self) -> LayerCounts:
        """Return L and its parts; adaptive pooling, which adapts to any input, is no layer of the table."""
        number = {
            kind: sum(layer.kind == kind for layer in self.layers) for kind in ("convolution", "dense", "pooling")
        }
        return LayerCounts(number["convolution"], number["dense"], number["pooling"])


def trace(network: nn.Module, in_channels: int, height: int, width: int) -> Trace:
    """Follow one image (in_channels, height, width) through a network in evaluation.

    The network's own weights are not touched and may lie on the meta device. Raises whatever the network raises for
    an image of that size.
    """
    state = meta_state(network)
    learned = {name for name, _ in network.named_parameters()}
    watch = _Watch({id(state[name]): state[name].numel() for name in learned})
    dtype = next((tensor.dtype for tensor in state.values() if tensor.is_floating_point()), None)
    image = torch.empty(1, in_channels, height, width, device="meta", dtype=dtype)
    watch.known[id(image)] = _Known(image, ReceptiveField.of_image(height, width), (2, 3), 0)
    with watch.modules(network), watch:
        run_on_meta(network, image, state)
    used = sum(layer.parameters for layer in watch.layers)
    total = sum(state[name].numel() for name in learned)
    return Trace(tuple(watch.layers), watch.fields, watch.longest, used, total - used)


@dataclass(frozen=True)
class _Known:
    """What is known of a tensor that depends on the image."""

    tensor: Tensor
    """Kept, so that no other tensor can have its address."""
    field: ReceptiveField
    axes: tuple[int, int] | None
    """Which of its dimensions are rows and columns; None where it has none left."""
    depth: int
    """Learned layers on the longest way from the image to here."""


@dataclass
class _Watch(TorchFunctionMode):
    """Notes every layer, and what each tensor depends on."""

    parameters: dict[int, int]
    """The addresses of parameters that have not been met, and how many numbers each has."""
    layers: list[Layer] = field(default_factory=list)
    fields: dict[str, ReceptiveField] = field(default_factory=dict)
    known: dict[int, _Known] = field(default_factory=dict)
    made: dict[int, tuple[Tensor, frozenset[int]]] = field(default_factory=dict)
    """Tensors made of parameters without the image, such as a gamma repeated for each channel of its group, by address,
    with the parameters in them."""
    within: list[str] = field(default_factory=list)
    longest: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    @contextmanager
    def modules(self, network: nn.Module) -> Iterator[None]:
        """Know which module is at work, and what comes out of it."""
        handles = []
        for name, module in network.named_modules():
            handles.append(module.register_forward_pre_hook(self._entering(name)))
            handles.append(module.register_forward_hook(self._leaving))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _entering(self, name: str) -> Callable[[nn.Module, Any], None]:
        return lambda _module, _inputs: self.within.append(name)

    def _leaving(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        name = self.within.pop()
        known = self.known.get(id(output))
        if known is not None and known.axes is not None:
            self.fields[name] = known.field

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = function(*args, **kwargs)
        tensors = list(_tensors((args, kwargs)))
        sources = [self.known[id(tensor)] for tensor in tensors if id(tensor) in self.known]
        outputs = list(_tensors(output))
        if not sources:
            self._note_made(tensors, outputs)
        if not sources or not outputs:
            return output
        rule = _RULES.get(getattr(function, "__name__", ""))
        depth = max(source.depth for source in sources)
        if rule is not None:
            layer, found, axes = rule(sources[0], outputs[0], *args, **kwargs)
            if sources[0].axes is None and axes is not None:  # maps made of what had lost its places see all of it
                found = sources[0].field.whole(*(outputs[0].shape[axis] for axis in axes))
        else:
            layer, (found, axes) = None, _carried(sources, outputs[0])
        new = self._within(tensors) & self.parameters.keys()
        learned = sum(self.parameters.pop(address) for address in new)
        if layer is None and learned:
            layer = ("other", getattr(function, "__name__", "").strip("_"), 0)
        if layer is not None:
            kind, detail, cost = layer
            depth += kind in ("convolution", "dense")
            output_shape = _without_batch(outputs[0], axes)
            place = self.within[-1] if self.within else ""
            self.layers.append(
                Layer(place, kind, detail, output_shape, learned, cost, found if axes is not None else None)
            )
        self.longest = max(self.longest, depth)
        for tensor in outputs:
            self.known[id(tensor)] = _Known(tensor, found, axes, depth)
        return output

    def _within(self, tensors: Sequence[Tensor]) -> frozenset[int]:
        """Return the addresses of the parameters that tensors are, or are made of."""
        made = (self.made[id(tensor)][1] for tensor in tensors if id(tensor) in self.made)
        return frozenset({id(tensor) for tensor in tensors}.union(*made))

    def _note_made(self, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        """Remember which parameters are in what is made of them without the image."""
        parameters = self._within(tensors) & self.parameters.keys()
        if parameters:
            self.made |= {id(tensor): (tensor, parameters) for tensor in outputs}


_Found = tuple[tuple[Kind, str, int] | None, ReceptiveField, tuple[int, int] | None]


def _convolution(source: _Known, output: Tensor, *args: Any, **kwargs: Any) -> _Found:
    options = _named(("input", "weight", "bias", "stride", "padding", "dilation", "groups"), args, kwargs)
    weight = options["weight"]
    stride, dilation = _pair(options.get("stride") or 1), _pair(options.get("dilation") or 1)
    padding = options.get("padding") or 0
    kernel = (int(weight.shape[2]), int(weight.shape[3]))
    before = _same_padding(kernel, dilation) if padding == "same" else _pair(0 if padding == "valid" else padding)
    axes = [
        axis.filtered(length, *numbers)
        for axis, length, *numbers in zip(
            _axes(source.field), output.shape[-2:], kernel, stride, before, dilation, strict=True
        )
    ]
    cost = prod(output.shape[1:]) * prod(weight.shape[1:])
    groups = options.get("groups") or 1
    detail = _window(kernel, stride, before, dilation) + (f", {groups} groups" if groups > 1 else "")
    return ("convolution", detail, cost), ReceptiveField(*axes), (output.ndim - 2, output.ndim - 1)


def _transposed(source: _Known, output: Tensor, *args: Any, **kwargs: Any) -> _Found:
    names = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
    options = _named(names, args, kwargs)
    weight = options["weight"]
    stride, dilation = _pair(options.get("stride") or 1), _pair(options.get("dilation") or 1)
    kernel, padding = (int(weight.shape[2]), int(weight.shape[3])), _pair(options.get("padding") or 0)
    axes = [
        axis.transposed(length, *numbers)
        for axis, length, *numbers in zip(
            _axes(source.field), output.shape[-2:], kernel, stride, padding, dilation, strict=True
        )
    ]
    cost = prod(options["input"].shape[1:]) * prod(weight.shape[1:])
    detail = f"transposed {_window(kernel, stride, padding, dilation)}"
    return ("convolution", detail, cost), ReceptiveField(*axes), (output.ndim - 2, output.ndim - 1)


def _pooling(source: _Known, output: Tensor, *args: Any, **kwargs: Any) -> _Found:
    options = _named(("input", "kernel_size", "stride", "padding"), args[:4], kwargs)
    kernel = _pair(options["kernel_size"])
    stride = _pair(options["stride"]) if options.get("stride") else kernel
    padding = _pair(options.get("padding") or 0)
    dilation = _pair(kwargs.get("dilation") or (args[4] if len(args) > 4 and not isinstance(args[4], bool) else 1))
    axes = [
        axis.filtered(length, *numbers)
        for axis, length, *numbers in zip(
            _axes(source.field), output.shape[-2:], kernel, stride, padding, dilation, strict=True
        )
    ]
    return (
        ("pooling", _window(kernel, stride, padding, dilation), 0),
        ReceptiveField(*axes),
        (output.ndim - 2, output.ndim - 1),
    )


def _average_pooling(source: _Known, output: Tensor, *args: Any, **kwargs: Any) -> _Found:
    kwargs = {key: value for key, value in kwargs.items() if key != "dilation"}
    return _pooling(source, output, *args[:4], **kwargs)


def _adaptive(source: _Known, output: Tensor, *args: Any, **kwargs: Any) -> _Found:
    rows, columns = (axis.pooled_to(n) for axis, n in zip(_axes(source.field), output.shape[-2:], strict=True))
    detail = f"to {output.shape[-2]}x{output.shape[-1]}"
    return ("adaptive pooling", detail, 0), ReceptiveField(rows, columns), (output.ndim - 2, output.ndim - 1)


def _interpolated(source: _Known, output: Tensor, *args: Any, **kwargs: Any) -> _Found:
    options = _named(("input", "size", "scale_factor", "mode"), args, kwargs)
    axes = []
    for axis, length in zip(_axes(source.field), output.shape[-2:], strict=True):
        nearest = options.get("mode", "nearest") == "nearest"
        axes.append(axis.repeated(length) if nearest else axis.whole(length))
    return None, ReceptiveField(*axes), (output.ndim - 2, output.ndim - 1)


def _padded(source: _Known, output: Tensor, *args: Any, **kwargs: Any) -> _Found:
    """Add a border: of zeros, or of the image's own pixels: those at the edge, mirrored, or from the other side."""
    options = _named(("input", "pad", "mode"), args, kwargs)
    left, _, top, _ = [*options["pad"], 0, 0][:4]
    mode = options.get("mode", "constant")
    axes = []
    for axis, length, before in zip(_axes(source.field), output.shape[-2:], (top, left), strict=True):
        moved = axis.filtered(length, 1, 1, before, 1)
        if mode != "constant":
            held = _copied(np.arange(length) - before, len(axis.first), mode)
            moved = Axis(axis.first[held], axis.last[held], moved.size, moved.stride, moved.offset)
        axes.append(moved)
    return None, ReceptiveField(*axes), (output.ndim - 2, output.ndim - 1)


def _copied(positions: Positions, length: int, mode: str) -> Positions:
    """Return from which of `length` positions a border at `positions` outside them is copied."""
    if mode == "circular":
        return positions % length
    if mode == "reflect":  # about the edge itself, which is not repeated
        positions = np.abs(positions)
        return np.where(positions < length, positions, 2 * (length - 1) - positions)
    return np.clip(positions, 0, length - 1)  # replicate


def _dense(source: _Known, output: Tensor, *args: Any, **kwargs: Any) -> _Found:
    """Weigh the last dimension: where that is neither rows nor columns, each place keeps its field."""
    weight = _named(("input", "weight"), args, kwargs)["weight"]
    cost = prod(output.shape) * int(weight.shape[1])
    stays = source.axes is not None and source.tensor.ndim - 1 not in source.axes
    if stays:  # the same weights at every place: a filter of one pixel
        return ("convolution", "1x1", cost), source.field, source.axes
    return ("dense", "", cost), source.field.whole(), None


def _normalized(source: _Known, output: Tensor, *args: Any, **kwargs: Any) -> _Found:
    return ("normalization", "batch", 0), source.field, source.axes


def _normalized_by_layer(source: _Known, output: Tensor, *args: Any, **kwargs: Any) -> _Found:
    shape = _named(("input", "normalized_shape"), args, kwargs)["normalized_shape"]
    over = range(output.ndim - len(shape), output.ndim)
    spatial = source.axes is not None and any(axis in over for axis in source.axes)
    return ("normalization", "layer", 0), _all_seen(source, output) if spatial else source.field, source.axes


def _normalized_over_space(source: _Known, output: Tensor, *args: Any, **kwargs: Any) -> _Found:
    """Group and instance normalisation: the mean over a map makes each unit depend on all of it."""
    return ("normalization", "group", 0), _all_seen(source, output), source.axes


def _normalized_across_channels(source: _Known, output: Tensor, *args: Any, **kwargs: Any) -> _Found:
    return ("normalization", "local response", 0), source.field, source.axes


def _mean(source: _Known, output: Tensor, *args: Any, **kwargs: Any) -> _Found:
    """Average over the whole map, as global pooling does, over rows or columns, or over channels alone."""
    axes, held = source.axes, source.tensor
    if axes is None:
        return None, source.field, None
    options = _named(("input", "dim", "keepdim"), args, kwargs)
    dims = options.get("dim", options.get("axis"))
    over = {axis % held.ndim for axis in ([dims] if isinstance(dims, int) else dims or range(held.ndim))}
    kept = bool(options.get("keepdim"))
    left = axes if kept else tuple(axis - sum(gone < axis for gone in over) for axis in axes)
    if not over & set(axes):  # each place keeps its own
        return None, source.field, (left[0], left[1])
    seen = [axis.whole(1) if place in over else axis for axis, place in zip(_axes(source.field), axes, strict=True)]
    if not over >= set(axes):
        return None, ReceptiveField(*seen) if kept else source.field.whole(), axes if kept else None
    return ("adaptive pooling", "to 1x1", 0), ReceptiveField(*seen), axes if kept else None


def _permuted(source: _Known, output: Tensor, *args: Any, **kwargs: Any) -> _Found:
    if source.axes is None:
        return None, source.field, None
    order = args[1:] if len(args) > 2 else (args[1] if len(args) > 1 else kwargs["dims"])
    dims = [int(axis) % output.ndim for axis in order]
    return None, source.field, (dims.index(source.axes[0]), dims.index(source.axes[1]))


_RULES: dict[str, Callable[..., _Found]] = {
    "conv2d": _convolution,
    "conv_transpose2d": _transposed,
    "linear": _dense,
    **dict.fromkeys(("max_pool2d", "max_pool2d_with_indices"), _pooling),
    **dict.fromkeys(("avg_pool2d", "lp_pool2d"), _average_pooling),
    **dict.fromkeys(("adaptive_avg_pool2d", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices"), _adaptive),
    "interpolate": _interpolated,
    "pad": _padded,
    "batch_norm": _normalized,
    "layer_norm": _normalized_by_layer,
    **dict.fromkeys(("group_norm", "instance_norm"), _normalized_over_space),
    "local_response_norm": _normalized_across_channels,
    **dict.fromkeys(("mean", "amax", "sum"), _mean),
    "permute": _permuted,
}
"""What a function of torch makes of a tensor; all others work place by place, or lose the places."""


def _carried(sources: Sequence[_Known], output: Tensor) -> tuple[ReceptiveField, tuple[int, int] | None]:
    """Return the field of what a function without a rule gives: places are kept where the shape shows them."""
    placed = [source for source in sources if source.axes is not None]
    if not placed:
        return _joined(sources), None
    first = max(placed, key=lambda source: prod(len(axis.first) for axis in _axes(source.field)))
    rows, columns = (len(axis.first) for axis in _axes(first.field))
    axes = first.axes
    assert axes is not None
    if output.ndim > max(axes) and tuple(output.shape[axis] for axis in axes) == (rows, columns):
        return _joined([first, *sources]), axes
    if output.ndim > 2 and tuple(output.shape[-2:]) == (rows, columns):  # channels were split, or a batch added
        return _joined([first, *sources]), (output.ndim - 2, output.ndim - 1)
    return _joined(sources).whole(), None


def _joined(sources: Sequence[_Known]) -> ReceptiveField:
    joined = sources[0].field
    for source in sources[1:]:
        joined = joined.joined(source.field)
    return joined


def _all_seen(source: _Known, output: Tensor) -> ReceptiveField:
    return source.field.whole(*(len(axis.first) for axis in _axes(source.field)))


def _axes(found: ReceptiveField) -> tuple[Axis, Axis]:
    return found.rows, found.columns


def _without_batch(output: Tensor, axes: tuple[int, int] | None) -> tuple[int, ...]:
    """Return the dimensions of one image's output, channels first."""
    if axes is None or axes == (output.ndim - 2, output.ndim - 1):
        return tuple(output.shape[1:])
    others = [size for axis, size in enumerate(output.shape) if axis not in axes and axis]
    return (*others, *(output.shape[axis] for axis in axes))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _named(names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return dict(zip(names, args, strict=False)) | dict(kwargs)


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    numbers = [int(number) for number in value]
    return (numbers[0], numbers[-1])


def _same_padding(kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    return tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))  # type: ignore[return-value]


def _window(
    kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int]
) -> str:
    """Return `3x3, stride 2, padding 1`, leaving out what is as usual."""
    parts = ["x".join(map(str, kernel))]
    for name, values, usual in (("stride", stride, 1), ("padding", padding, 0), ("dilation", dilation, 1)):
        if values != (usual, usual):
            parts.append(f"{name} {values[0]}" if values[0] == values[1] else f"{name} {values[0]}x{values[1]}")
    return ", ".join(parts)
