"""Network in Network: each filter is followed by a small network over the channels, and nothing at the end is dense.

Lin, Chen, Yan: Network in network, ICLR 2014 (Figure 2). Two layers of 1x1 filters behind each convolution are a
perceptron that slides over the map; the last has one map per class, whose average is the class's score.

    small     5x5 192, 160, 96    5x5 192, 192, 192     3x3 192, 192, classes            966,986 parameters (10 classes)
    imagenet  11x11/4 96 x 3      5x5 256 x 3           3x3 384 x 3    3x3 1024 x 2, classes   7,595,176 (1000 classes)

The small form, for images of 32 px, is the paper's; the large one has the layers that its authors published later.
Those have dropout before the last block alone: here it lies behind each pooling, as the small form has it. Nor are the
maps of the classes rectified here: where all of them are zero to begin with, nothing would ever be learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt
from torch import Tensor, nn

from src.networks.input_layer import kaiming_fan_out
from src.networks.pooling import AdaptiveAveragePool
from src.networks.published import finished
from src.networks.stem import settled_stem


class NetworkInNetwork(nn.Module):
    """Images (B, C, H, W) to logits (B, classes)."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        """Divide the layers, of which the last gives a map for each class, into features and classifier."""
        super().__init__()
        self.features = nn.Sequential(*layers[:-1])
        self.classifier = nn.Sequential(layers[-1], AdaptiveAveragePool(1, 1), nn.Flatten())

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


def nin(
    *,
    stem: Literal["auto", "imagenet", "small"],
    dropout: Annotated[float, Ge(0), Lt(1)],
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
    **variation: Any,
) -> nn.Module:
    """Build a Network in Network in its small or its large form; `dropout` lies between the blocks."""
    form = settled_stem(stem, image_size, weights, {})
    blocks = _small(in_channels, num_classes) if form == "small" else _large(in_channels, num_classes)
    layers: list[nn.Module] = []
    for block, pool in blocks:
        layers += [*block, *([pool, nn.Dropout(dropout)] if pool is not None else [])]
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            kaiming_fan_out(layer)
    return finished(NetworkInNetwork(layers[:-1]), in_channels, image_size, weights, {}, stem=form, **variation)


Blocks = list[tuple[nn.Sequential, nn.Module | None]]


def _small(in_channels: int, classes: int) -> Blocks:
    return [
        (_perceptron(in_channels, (192, 160, 96), kernel=5, padding=2), nn.MaxPool2d(3, stride=2, padding=1)),
        (_perceptron(96, (192, 192, 192), kernel=5, padding=2), nn.AvgPool2d(3, stride=2, padding=1)),
        (_perceptron(192, (192, 192, classes), kernel=3, padding=1), None),
    ]


def _large(in_channels: int, classes: int) -> Blocks:
    return [
        (_perceptron(in_channels, (96, 96, 96), kernel=11, stride=4), nn.MaxPool2d(3, stride=2, ceil_mode=True)),
        (_perceptron(96, (256, 256, 256), kernel=5, padding=2), nn.MaxPool2d(3, stride=2, ceil_mode=True)),
        (_perceptron(256, (384, 384, 384), kernel=3, padding=1), nn.MaxPool2d(3, stride=2, ceil_mode=True)),
        (_perceptron(384, (1024, 1024, classes), kernel=3, padding=1), None),
    ]


def _perceptron(
    in_channels: int, widths: tuple[int, int, int], *, kernel: int, stride: int = 1, padding: int = 0
) -> nn.Sequential:
    """Return a convolution and two layers of 1x1 filters, each with a ReLU."""
    first, second, third = widths
    return nn.Sequential(
        nn.Conv2d(in_channels, first, kernel, stride, padding),
        nn.ReLU(inplace=True),
        nn.Conv2d(first, second, kernel_size=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(second, third, kernel_size=1),
        nn.ReLU(inplace=True),
    )
