"""Which part of the image each unit of a feature map depends on, followed forwards from layer to layer.

A receptive field is a rectangle, so its rows and columns are followed apart. Along one axis each position of a map has
an interval of the input; a filter's interval reaches over those of its taps, and where branches meet it reaches over
both. Intervals are exact: clipped at the image's borders, whatever padding, dilation, branches and shortcuts lie
between. `size`, `stride` and `offset` describe them away from the borders (chapter, section 6.2; Araujo, Norris and
Sim, Computing receptive fields of convolutional neural networks, Distill 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """The fields of a map's positions (N,) along one axis of the image, in pixels."""

    first: Positions
    """The first pixel of each position's interval, within the image."""
    last: Positions
    """The last pixel of each, inclusive; below `first` where a position sees padding alone."""
    size: int
    """Pixels of an interval that no border cuts."""
    stride: int
    """Pixels from one position's interval to the next one's; 0 where all see the same."""
    offset: int
    """Where the interval of position 0 would begin if the image went on to the left: 0 or negative."""

    @classmethod
    def of_image(cls, pixels: int) -> Axis:
        """Return the axis of the image itself: each pixel sees itself."""
        each = np.arange(pixels)
        return cls(each, each, 1, 1, 0)

    def filtered(self, length: int, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
        """Return the axis behind a filter or a pooling window, `length` positions long.

        `padding` lies before the first position; taps on it, or beyond the last position, see nothing.
        """
        taps = np.arange(length)[:, None] * stride - padding + np.arange(kernel) * dilation
        first, last = self._over(taps)
        size = self.size + (kernel - 1) * dilation * self.stride
        return Axis(first, last, size, self.stride * stride, self.offset - padding * self.stride)

    def transposed(self, length: int, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
        """Return the axis behind a transposed filter, which spreads each position over `kernel` of `length`."""
        taps = np.arange(length)[:, None] + padding - np.arange(kernel) * dilation
        first, last = self._over(np.where(taps % stride == 0, taps // stride, -1))
        reach = -(-((kernel - 1) * dilation + 1) // stride)
        return Axis(first, last, self.size + (reach - 1) * self.stride, max(1, self.stride // stride), int(first[0]))

    def pooled_to(self, length: int) -> Axis:
        """Return the axis behind an adaptive pooling to `length` positions: windows that share the map evenly."""
        held = len(self.first)
        windows = [(floor(i * held / length), ceil((i + 1) * held / length)) for i in range(length)]
        first = np.array([self.first[start:end].min() for start, end in windows])
        last = np.array([self.last[start:end].max() for start, end in windows])
        wide = max(end - start for start, end in windows)
        return Axis(
            first, last, self.size + (wide - 1) * self.stride, self.stride * max(1, held // length), self.offset
        )

    def repeated(self, length: int) -> Axis:
        """Return the axis of a map enlarged to `length` by repeating the nearest position."""
        source = np.arange(length) * len(self.first) // length
        stride = max(1, self.stride * len(self.first) // length)
        return Axis(self.first[source], self.last[source], self.size, stride, self.offset)

    def whole(self, length: int) -> Axis:
        """Return the axis of `length` positions each of which sees what all positions here see together."""
        seen = self.last >= self.first
        first, last = (int(self.first[seen].min()), int(self.last[seen].max())) if seen.any() else (0, -1)
        full = self.size + (len(self.first) - 1) * self.stride
        return Axis(np.full(length, first), np.full(length, last), full, 0, self.offset)

    def joined(self, other: Axis) -> Axis:
        """Return the axis of what depends on both, position by position; a single position belongs to all."""
        here, there = (self, other) if len(self.first) >= len(other.first) else (other, self)
        if len(there.first) != len(here.first):
            there = there.whole(len(here.first))
        first = np.where(there.last < there.first, here.first, np.minimum(here.first, there.first))
        first = np.where(here.last < here.first, there.first, first)
        offset = min(here.offset, there.offset)
        end = max(here.offset + here.size, there.offset + there.size)
        return Axis(first, np.maximum(here.last, there.last), end - offset, here.stride, offset)

    def _over(self, taps: Positions) -> tuple[Positions, Positions]:
        """Return first and last pixel seen through taps (length, kernel), of which those outside see nothing."""
        inside = (taps >= 0) & (taps < len(self.first))
        held = np.clip(taps, 0, len(self.first) - 1)
        inside &= self.last[held] >= self.first[held]
        nothing = np.iinfo(np.int64)
        first = np.where(inside, self.first[held], nothing.max).min(axis=1)
        last = np.where(inside, self.last[held], nothing.min).max(axis=1)
        empty = ~inside.any(axis=1)
        return np.where(empty, 0, first), np.where(empty, -1, last)


@dataclass(frozen=True)
class ReceptiveField:
    """The fields of all units of a feature map: they are the same for each of its channels."""

    rows: Axis
    columns: Axis

    @classmethod
    def of_image(cls, height: int, width: int) -> ReceptiveField:
        """Return the field of the image's own pixels."""
        return cls(Axis.of_image(height), Axis.of_image(width))

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Return what a unit sees: left, top, right, bottom in pixels of the image, right and bottom exclusive."""
        rows, columns = self.rows, self.columns
        return (
            int(columns.first[column]),
            int(rows.first[row]),
            int(columns.last[column]) + 1,
            int(rows.last[row]) + 1,
        )

    def joined(self, other: ReceptiveField) -> ReceptiveField:
        """Return the field of what depends on both."""
        return ReceptiveField(self.rows.joined(other.rows), self.columns.joined(other.columns))

    def whole(self, height: int = 1, width: int = 1) -> ReceptiveField:
        """Return the field of units that depend on the whole map, as a dense layer's do."""
        return ReceptiveField(self.rows.whole(height), self.columns.whole(width))
