"""From the final convolutional features to one box: fully connected layers (chapter, section 6.6)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from src.networks.pooling import AdaptiveAveragePool

CENTRE = (0.25, 0.25, 0.5, 0.5)
"""The box (x, y, h, w) that an untrained head says: half of the image to a side. The IoU losses need one with area."""


def box_head(shape: tuple[int, int, int], grid: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """Return the layers from features (B, *shape) to boxes (B, 4): (x, y, h, w), relative to the image.

    A map of more than `grid` cells to a side is averaged to as many, which bounds the first layer's weights; where
    things lie stays in the order of the cells. The last layer is linear: behind a sigmoid, the mean squared error
    learned more slowly (drawn shapes, 5 epochs: a mean IoU of 0.73 instead of 0.75).
    """
    channels, height, width = shape
    rows, columns = min(grid, height), min(grid, width)
    layers: list[nn.Module] = [AdaptiveAveragePool(rows, columns), nn.Flatten()]
    inputs = channels * rows * columns
    for outputs in hidden:
        layers += [_dense(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        inputs = outputs
    last = nn.Linear(inputs, 4)
    with torch.no_grad():
        last.bias.copy_(torch.tensor(CENTRE))
    return nn.Sequential(*layers, last)


def _dense(inputs: int, outputs: int) -> nn.Linear:
    """Return a layer initialised for the rectifier behind it (He et al. 2015, equation 10), not as torch does."""
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer
