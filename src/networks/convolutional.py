"""A classifier without dense layers: the same weights as filters, so that a larger image gives a map of class scores.

A dense layer over a map of h x w is a convolution with filters of h x w that fits into it exactly once (chapter,
section 6.3; Long, Shelhamer, Darrell: Fully convolutional networks for semantic segmentation, CVPR 2015, section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from src.errors import UserError
from src.networks.features import final_features
from src.networks.meta import run_on_meta
from src.networks.pooling import AdaptiveAveragePool
from src.networks.trace import trace

SILENT = (nn.Flatten, nn.Dropout, nn.Identity)
"""Modules between features and logits that evaluation does not need."""
POINTWISE = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.SiLU, nn.GELU, nn.Hardswish)
ADAPTIVE = (AdaptiveAveragePool, nn.AdaptiveAvgPool2d)


class Convolutional(nn.Module):
    """Images (B, C, H, W) of at least the training's size to logits (B, classes, h, w).

    At the training's size the map has one place, with the dense network's logits. In a larger image each place has
    what the dense head says of that window of the final features. Averages over the whole map become averages over
    such a window. The weights are the network's own, not copies. In evaluation only.
    """

    def __init__(self, network: nn.Module, in_channels: int, image_size: int) -> None:
        """Raise UserError where something else than dense layers, 1x1 filters and averages follows the features."""
        super().__init__()
        self.network, self.image_size = network, image_size
        self.features, shape = final_features(network, in_channels, image_size)
        self.head = nn.Sequential(*_head(network, self.features, shape, in_channels, image_size))
        self.stride = trace(network, in_channels, image_size, image_size).fields[self.features].rows.stride
        """Pixels of the image from one place of the map to the next."""

    def forward(self, images: Tensor) -> Tensor:
        """Return the map of logits."""
        logits: Tensor = self.head(self._features(images))
        return logits

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
    for module in _behind(network, features, in_channels, image_size):
        if isinstance(module, SILENT):
            continue
        if isinstance(module, POINTWISE):
            layers.append(module)
        elif isinstance(module, ADAPTIVE):
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
        elif isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1):
            layers.append(module)
            channels = module.out_channels
        else:
            raise UserError(
                f"{type(network).__name__} has {type(module).__name__} between its features and its outputs, which "
                "has no form as a filter"
            )
    return layers


def _behind(network: nn.Module, features: str, in_channels: int, image_size: int) -> list[nn.Module]:
    """Return the modules without parts that run after the features, in their order; shapes alone are computed."""
    found: list[nn.Module] = []
    begun = False

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, _inputs: Any, _output: Any) -> None:
            nonlocal begun
            if begun and not any(True for _ in module.children()):
                found.append(module)
            begun = begun or name == features

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in network.named_modules()]
    try:
        run_on_meta(network, torch.empty(1, in_channels, image_size, image_size, device="meta"))
    finally:
        for handle in handles:
            handle.remove()
    return found


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
