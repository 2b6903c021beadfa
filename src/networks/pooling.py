"""Average pooling to a fixed size, with a backward pass that is deterministic on every device."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class AdaptiveAveragePool(nn.Module):
    """The same averages as nn.AdaptiveAvgPool2d, whose backward pass on CUDA has no deterministic form.

    An average over a rectangle is a sum over rows, then over columns, divided by its area: two products with matrices
    of zeros and ones.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, C, height, width). Cell i covers the rows floor(i H / height) to ceil((i + 1) H / height)."""
        rows, columns = x_BCHW.shape[-2:]
        if (rows, columns) == (self.height, self.width):
            return x_BCHW
        if x_BCHW.is_meta:  # shapes alone are asked for, by whom an adaptive pooling should be recognised
            return F.adaptive_avg_pool2d(x_BCHW, (self.height, self.width))
        over_rows = _membership(rows, self.height, x_BCHW)
        over_columns = _membership(columns, self.width, x_BCHW)
        area = over_rows.sum(1)[:, None] * over_columns.sum(1)[None, :]
        return over_rows @ x_BCHW @ over_columns.T / area


def _membership(size: int, cells: int, like: Tensor) -> Tensor:
    """Return (cells, size) with 1 where a position belongs to a cell; neighbouring cells may share positions."""
    cell = torch.arange(cells, device=like.device)[:, None]
    position = torch.arange(size, device=like.device)
    return ((position >= cell * size // cells) & (position < -(-(cell + 1) * size // cells))).to(like.dtype)
