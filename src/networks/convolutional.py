"""A classifier without dense layers: the same weights as filters, so that a larger image gives a map of class scores.

A dense layer over a map of h x w is a convolution with filters of h x w that fits into it exactly once (chapter,
section 6.3; Long, Shelhamer, Darrell: Fully convolutional networks for semantic segmentation, CVPR 2015, section 3.1).
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from src.errors import UserError
from src.networks.features import final_features, modules_behind
from src.networks.pooling import AdaptiveAveragePool
from src.networks.trace import trace

SILENT = (nn.Flatten, nn.Dropout, nn.Identity)
"""Modules between features and logits that evaluation does not need."""
ADAPTIVE = (AdaptiveAveragePool, nn.AdaptiveAvgPool2d)
TOLERANCE = 1e-3
"""By how much of the largest logit both forms may differ: well above rounding, also that of TF32."""


class Convolutional(nn.Module):
    """Images (B, C, H, W) of at least the training's size to logits (B, classes, h, w).

    At the training's size the map has one place, with the dense network's logits. In a larger image each place has
    what the dense head says of that window of the final features. Averages over the whole map become averages over
    such a window. The weights are the network's own, not copies. In evaluation only.
    """

    def __init__(self, network: nn.Module, in_channels: int, image_size: int) -> None:
        """Raise UserError where what follows the features is not dense, averages, or works place by place.

        Also where the form found is not the network after all, because it calls functions that are no modules between
        its layers: one image at random is put through both.
        """
        super().__init__()
        self.network, self.image_size = network, image_size
        self.features, shape = final_features(network, in_channels, image_size)
        self.head = nn.Sequential(*_head(network, self.features, shape, in_channels, image_size))
        self.stride = trace(network, in_channels, image_size, image_size).fields[self.features].rows.stride
        """Pixels of the image from one place of the map to the next."""
        self._require_the_same(in_channels)

    def forward(self, images: Tensor) -> Tensor:
        """Return the map of logits."""
        logits: Tensor = self.head(self._features(images))
        return logits

    @torch.no_grad()
    def _require_the_same(self, in_channels: int) -> None:
        like = next(self.network.parameters())
        generator = torch.Generator().manual_seed(0)  # of its own, so that no other draw changes
        image = torch.rand(1, in_channels, self.image_size, self.image_size, generator=generator).to(like)
        modes = {module: module.training for module in self.modules()}
        self.eval()
        try:
            dense, found = self.network(image), self(image)
        finally:
            for module, mode in modes.items():
                module.training = mode
        scale = float(dense.abs().max())
        if found.shape[2:] != (1, 1) or not torch.allclose(
            found.flatten(1), dense, rtol=0, atol=TOLERANCE * scale, equal_nan=True
        ):
            raise UserError(
                f"{type(self.network).__name__} does something between {self.features}, its final features, and its "
                "outputs that is no module, so that its head has no form as filters that is known here; choose another "
                "network"
            )

    def _features(self, images: Tensor) -> Tensor:
        def stop(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            raise _Reached(output)

        handle = self.network.get_submodule(self.features).register_forward_hook(stop)
        try:
            self.network(images)
        except _Reached as reached:
            return reached.features
        finally:
            handle.remove()
        raise RuntimeError(f"the module {self.features} was not run")


class _Reached(Exception):
    """The features are there; what the network would make of them does not fit an image of this size."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features


def _head(
    network: nn.Module, features: str, shape: tuple[int, int, int], in_channels: int, image_size: int
) -> list[nn.Module]:
    """Return the layers behind the features, as convolutions."""
    channels, height, width = shape
    layers: list[nn.Module] = []
    for _, module in modules_behind(network, features, in_channels, image_size):
        if isinstance(module, SILENT):
            continue
        if isinstance(module, ADAPTIVE):
            to = (module.height, module.width) if isinstance(module, AdaptiveAveragePool) else _pair(module.output_size)
            if to == (1, 1) and (height, width) != (1, 1):
                layers.append(nn.AvgPool2d((height, width), stride=1))
                height = width = 1
            elif to != (height, width):
                raise UserError(
                    f"{type(network).__name__} at {image_size} px stretches its features of {height}x{width} to "
                    f"{to[0]}x{to[1]} before its dense layers: as filters they need an image whose features are "
                    f"{to[0]}x{to[1]}"
                )
        elif isinstance(module, nn.Linear) and module.in_features == channels * height * width:
            layers.append(_as_filter(module, channels, height, width))
            channels, height, width = module.out_features, 1, 1
        elif isinstance(module, nn.Linear) and module.in_features == channels:  # averaged by a function, not a module
            layers += [nn.AvgPool2d((height, width), stride=1), _as_filter(module, channels, 1, 1)]
            channels, height, width = module.out_features, 1, 1
        elif isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1):
            layers.append(module)
            channels = module.out_channels
        elif isinstance(module, nn.Conv2d) and _covers(module, height, width):
            layers.append(module)
            channels, height, width = module.out_channels, 1, 1
        elif _works_place_by_place(module, channels):
            layers.append(module)
        else:
            raise UserError(
                f"{type(network).__name__} has {type(module).__name__} between its features and its outputs, which "
                "has no form as a filter"
            )
    return layers


def _covers(conv: nn.Conv2d, height: int, width: int) -> bool:
    """Whether a convolution fits into a map exactly once, as a dense layer does."""
    return (conv.kernel_size, conv.padding, conv.stride, conv.dilation) == ((height, width), (0, 0), (1, 1), (1, 1))


@torch.no_grad()
def _works_place_by_place(module: nn.Module, channels: int) -> bool:
    """Whether a module makes of each place of a map what it makes of that place alone: it is tried.

    Activations do, batch normalisation in evaluation, and layer normalisation over the channels; group normalisation
    does not, since it takes the mean over the map.
    """
    like = next(chain(module.parameters(), module.buffers()), torch.empty(0))
    maps = torch.linspace(-1, 1, channels * 6, dtype=like.dtype, device=like.device).view(1, channels, 2, 3).sin()
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        whole = module(maps.clone())
        places = [module(maps[..., row : row + 1, column : column + 1].clone()) for row, column in ((0, 0), (1, 2))]
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError):
        return False
    finally:
        for part, mode in modes.items():
            part.training = mode
    return bool(
        whole.shape == maps.shape
        and torch.allclose(whole[..., :1, :1], places[0], atol=TOLERANCE)
        and torch.allclose(whole[..., 1:, 2:], places[1], atol=TOLERANCE)
    )


def _as_filter(dense: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    """Return a convolution with a dense layer's own weights, which saw a map (channels, height, width) flattened."""
    with torch.device("meta"):
        conv = nn.Conv2d(channels, dense.out_features, (height, width), bias=dense.bias is not None)
    weight = dense.weight.detach().view(dense.out_features, channels, height, width)
    conv.weight = nn.Parameter(weight, requires_grad=False)
    if dense.bias is not None:
        conv.bias = nn.Parameter(dense.bias.detach(), requires_grad=False)
    return conv


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])
