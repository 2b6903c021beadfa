"""From the final convolutional features to one box: fully connected layers (chapter, section 6.6)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from src.networks.pooling import AdaptiveAveragePool


def box_head(shape: tuple[int, int, int], grid: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """Return the layers from features (B, *shape) to boxes (B, 4) in (0, 1): (x, y, h, w), relative to the image.

    A map of more than `grid` cells to a side is averaged to as many, which bounds the first layer's weights; where
    things lie stays in the order of the cells. The sigmoid keeps heights and widths positive, as IoU losses need them.
    """
    channels, height, width = shape
    rows, columns = min(grid, height), min(grid, width)
    layers: list[nn.Module] = [AdaptiveAveragePool(rows, columns), nn.Flatten()]
    inputs = channels * rows * columns
    for outputs in hidden:
        layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        inputs = outputs
    return nn.Sequential(*layers, nn.Linear(inputs, 4), nn.Sigmoid())
