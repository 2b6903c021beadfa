"""The final convolutional features of any network, found without naming the family."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from src.errors import UserError
from src.networks.head import head_names
from src.networks.meta import run_on_meta


class FinalFeatures:
    """Keeps what a module of a network returns in a forward pass: the final convolutional map, (B, *shape).

    Read it with `take` after every pass; what is taken is no longer kept. The network itself stays as it is. The hook
    is a bound method, so that a deep copy of the network fills a deep copy of this.
    """

    def __init__(self, network: nn.Module, in_channels: int, image_size: int) -> None:
        self.name, self.shape = final_features(network, in_channels, image_size)
        self._kept: Tensor | None = None
        network.get_submodule(self.name).register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self._kept = output

    def take(self) -> Tensor:
        """Return the map of the last forward pass."""
        kept, self._kept = self._kept, None
        if kept is None:
            raise RuntimeError(f"the module {self.name} was not run")
        return kept


def final_features(network: nn.Module, in_channels: int, image_size: int) -> tuple[str, tuple[int, int, int]]:
    """Return the dotted name of the module that ends the convolutional part, and the (C, H, W) of its output.

    It is the last to be run of the modules that learn, return a map (B, C, H, W) and neither are the head nor hold it;
    where a map of more than one pixel is left, the last of those. The pass runs on the meta device: shapes alone.
    Raises UserError where there is no such module: a transformer goes on to learn from a sequence of tokens, or from
    maps whose last axis is the channels, so that a square image has none that is square.
    """
    candidates = _candidates(network)
    outputs = [(name, shape) for name, shape in module_outputs(network, in_channels, image_size) if name in candidates]
    maps = [place for place, (_, shape) in enumerate(outputs) if len(shape) == 3]
    wide = [place for place in maps if outputs[place][1][1:] != (1, 1)] or maps
    if not wide or any(len(shape) != 3 for _, shape in outputs[wide[-1] :]):
        raise UserError(_refusal(network))
    name, (channels, height, width) = outputs[wide[-1]]
    if height != width:
        raise UserError(_refusal(network))
    return name, (channels, height, width)


def _refusal(network: nn.Module) -> str:
    return (
        f"{type(network).__name__} does not end in a convolutional map (B, C, H, W), which says what is where: "
        "choose a convolutional network"
    )


def _candidates(network: nn.Module) -> set[str]:
    """Return the modules that learn and lie on the way to the features, not within or around the head.

    A container that holds the head (`classifier`) is no place for features, and neither are the layers in it.
    """
    heads = head_names(network)
    holders = _holders(heads)
    outside = [
        name
        for name, module in network.named_modules()
        if name and any(True for _ in module.parameters()) and not any(is_within(head, name) for head in heads)
    ]
    return {name for name in outside if not any(is_within(name, holder) for holder in holders)}


def head_containers(network: nn.Module) -> set[str]:
    """Return the names of the output layers, and of the modules around them: what is in these is no feature."""
    heads = head_names(network)
    return {*heads, *_holders(heads)}


def _holders(heads: Sequence[str]) -> set[str]:
    return {head.rpartition(".")[0] for head in heads} - {""}


def is_within(name: str, container: str) -> bool:
    """Return whether a dotted name is that of a container, or of a module in it."""
    return name == container or name.startswith(f"{container}.")


def module_outputs(network: nn.Module, in_channels: int, image_size: int) -> list[tuple[str, tuple[int, ...]]]:
    """Return the name of every module that returns a tensor, with its shape without B, in the order they end."""
    found: list[tuple[str, tuple[int, ...]]] = []

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                found.append((name, tuple(output.shape[1:])))

        return hook

    hooks = [module.register_forward_hook(note(name)) for name, module in network.named_modules()]
    try:
        run_on_meta(network, torch.empty(1, in_channels, image_size, image_size, device="meta"))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def modules_behind(network: nn.Module, features: str, in_channels: int, image_size: int) -> list[tuple[str, nn.Module]]:
    """Return the modules that run after the one named `features`, with their names, in the order of evaluation.

    They are those without parts and those that own weights or statistics, as timm's normalisation with its activation
    inside; the parts of such a one are not named beside it. What only training runs, as intermediate classifiers, is
    left out. Shapes alone are computed.
    """
    found: list[tuple[str, nn.Module]] = []
    within: list[nn.Module] = []
    begun = False

    def enter(module: nn.Module, _inputs: Any) -> None:
        within.append(module)

    def leave(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, _inputs: Any, _output: Any) -> None:
            nonlocal begun
            within.pop()
            if begun and _is_one(module) and not any(_owns(outer) for outer in within):
                found.append((name, module))
            begun = begun or name == features

        return hook

    hooks = []
    for name, module in network.named_modules():
        hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave(name))]
    try:
        run_on_meta(network, torch.empty(1, in_channels, image_size, image_size, device="meta"))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _is_one(module: nn.Module) -> bool:
    return _owns(module) or not any(True for _ in module.children())


def _owns(module: nn.Module) -> bool:
    return any(True for _ in chain(module.parameters(recurse=False), module.buffers(recurse=False)))
