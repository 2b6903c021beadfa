"""Inception with batch normalisation: GoogLeNet with each 5x5 filter replaced by two of 3x3, normalised throughout.

Ioffe, Szegedy: Batch normalization: accelerating deep network training by reducing internal covariate shift, ICML 2015
(Figure 5 of the preprint, whose output sizes of 4c and 4d, 576, are not the sums of its paths: 608).

What differs from the paper: its first convolution is separable, filters over each channel of the image and 1x1 filters
over what they give; here it is an ordinary one, as in GoogLeNet.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from src.networks.input_layer import kaiming_fan_out
from src.networks.pooling import AdaptiveAveragePool
from src.networks.published import finished

Pool = Literal["average", "maximum"]

MODULES: dict[str, tuple[int, tuple[int, int, int, int], Pool, int]] = {
    # 1x1; 3x3 reduce, 3x3, double 3x3 reduce, double 3x3; which pooling, and the 1x1 behind it
    "3a": (64, (64, 64, 64, 96), "average", 32),
    "3b": (64, (64, 96, 64, 96), "average", 64),
    "3c": (0, (128, 160, 64, 96), "maximum", 0),
    "4a": (224, (64, 96, 96, 128), "average", 128),
    "4b": (192, (96, 128, 96, 128), "average", 128),
    "4c": (160, (128, 160, 128, 160), "average", 128),
    "4d": (96, (128, 192, 160, 192), "average", 128),
    "4e": (0, (128, 192, 192, 256), "maximum", 0),
    "5a": (352, (192, 320, 160, 224), "average", 128),
    "5b": (352, (192, 320, 192, 224), "maximum", 128),
}
"""Where the 1x1 path is 0 the module halves the map and its pooling is handed on as it is."""


def convolution(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return convolution, batch normalisation and ReLU."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


class Inception(nn.Module):
    """Up to four paths side by side: (B, C, H, W) to (B, out_channels, H, W), or half of H and W."""

    def __init__(self, in_channels: int, one: int, threes: tuple[int, int, int, int], pool: Pool, pooled: int) -> None:
        super().__init__()
        stride = 1 if one else 2
        reduce_single, single, reduce_double, double = threes
        paths = [convolution(in_channels, one, 1)] if one else []
        paths.append(
            nn.Sequential(convolution(in_channels, reduce_single, 1), convolution(reduce_single, single, 3, stride))
        )
        paths.append(
            nn.Sequential(
                convolution(in_channels, reduce_double, 1),
                convolution(reduce_double, double, 3),
                convolution(double, double, 3, stride),
            )
        )
        kind = nn.AvgPool2d if pool == "average" else nn.MaxPool2d
        pooling: list[nn.Module] = [kind(kernel_size=3, stride=stride, padding=1)]
        paths.append(nn.Sequential(*pooling, *([convolution(in_channels, pooled, 1)] if pooled else [])))
        self.paths = nn.ModuleList(paths)
        self.out_channels = one + single + double + (pooled or in_channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the paths' maps, one behind the other."""
        return torch.cat([path(x_BCHW) for path in self.paths], dim=1)


class BNInception(nn.Module):
    """Images (B, C, H, W) to logits (B, classes)."""

    def __init__(self, *, dropout: float, num_classes: int, in_channels: int) -> None:
        super().__init__()
        layers: dict[str, nn.Module] = {
            "conv1": convolution(in_channels, 64, 7, stride=2),
            "pool1": nn.MaxPool2d(3, stride=2, padding=1),
            "reduce2": convolution(64, 64, 1),
            "conv2": convolution(64, 192, 3),
            "pool2": nn.MaxPool2d(3, stride=2, padding=1),
        }
        channels = 192
        for name, sizes in MODULES.items():
            module = Inception(channels, *sizes)
            layers[f"inception{name}"], channels = module, module.out_channels
        self.features = nn.Sequential()
        for name, layer in layers.items():
            self.features.add_module(name, layer)
        self.avgpool = AdaptiveAveragePool(1, 1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                kaiming_fan_out(layer)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.fc(self.dropout(self.avgpool(self.features(images)).flatten(1)))
        return logits


def bn_inception(
    *,
    dropout: Annotated[float, Ge(0), Lt(1)],
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
    **variation: Any,
) -> nn.Module:
    """Build Inception with batch normalisation, new or from a file; it needs no intermediate classifiers."""
    network = BNInception(dropout=dropout, num_classes=num_classes, in_channels=in_channels)
    return finished(network, in_channels, image_size, weights, {}, **variation)
