"""Pixels of a drawn picture: a background, clutter, the objects from the smallest to the largest, and noise.

A scene is in relative coordinates, so it is the same scene at every size. Drawing is anti-aliased by OpenCV, whose
points take fractions of a pixel (`shift`); its pixel centres are whole numbers, hence the half pixel in `_fixed`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from src.data.sources.kinds import Points

Pixels = NDArray[np.uint8]
Colour = tuple[float, float, float]
"""RGB, 0 to 255."""

Pattern = Literal["plain", "fade", "stripes", "checks"]

_SHIFT = 4  # bits of a coordinate below the pixel
_FINE = 4


@dataclass(frozen=True)
class Paint:
    """Two colours in a pattern along a direction `angle` (radians) through `origin` (relative to the picture)."""

    pattern: Pattern
    colours: tuple[Colour, Colour]
    frequency: float
    """Periods per picture width; of a fade, the share of it per picture width."""
    angle: float
    origin: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True)
class Figure:
    """An object in its place: contours and landmarks relative to the picture, and what it is painted with."""

    contours: tuple[Points, ...]
    landmarks: Points
    paint: Paint


@dataclass(frozen=True)
class Clutter:
    """A polygon (`width` None) or a line of a width relative to the picture."""

    points: Points
    colour: Colour
    width: float | None


@dataclass(frozen=True)
class Scene:
    """All that a picture shows; `figures` from the largest to the smallest."""

    background: Paint
    clutter: tuple[Clutter, ...]
    figures: tuple[Figure, ...]
    light: float
    noise: float
    """Half the width of the uniform noise, in values of 255."""


def draw(scene: Scene, size: int, noise: bytes) -> tuple[Pixels, NDArray[np.int8]]:
    """Return the picture (size, size, 3) and who owns each pixel (size, size): an index into `figures`, or -1.

    A pixel belongs to the figure on top that covers at least half of it. `noise` is size * size * 3 random bytes.
    """
    image = _painted(scene.background, size, slice(0, size), slice(0, size))
    for item in scene.clutter:
        _draw_clutter(image, item)
    owner = np.full((size, size), -1, np.int8)
    for number in reversed(range(len(scene.figures))):
        figure = scene.figures[number]
        rows, columns = _window(figure.contours[0], size)
        coverage = _coverage(figure.contours, size, rows, columns)
        owner[rows, columns][coverage > 127] = number
        _blend(image[rows, columns], _painted(figure.paint, size, rows, columns), coverage)
    # Rounded and clipped to 0..255 in one pass.
    amount = scene.noise / 127.5
    random = np.frombuffer(noise, np.uint8).reshape(image.shape)
    image = np.asarray(cv2.addWeighted(image, scene.light, random, amount, -scene.noise), np.uint8)
    return image, owner


def _coverage(contours: Sequence[Points], size: int, rows: slice, columns: slice) -> Pixels:
    """Return how much of each pixel of a window lies inside the contours, 0 to 255.

    Counted on a grid four times as fine: OpenCV's anti-aliased polygons are almost a pixel too large on every side.
    """
    fine = np.zeros((_FINE * (rows.stop - rows.start), _FINE * (columns.stop - columns.start)), np.uint8)
    corner = np.array([columns.start, rows.start]) / size
    cv2.fillPoly(fine, [_fixed(contour - corner, _FINE * size) for contour in contours], 255, shift=_SHIFT)
    return np.asarray(cv2.resize(fine, None, fx=1 / _FINE, fy=1 / _FINE, interpolation=cv2.INTER_AREA), np.uint8)


def _blend(image: Pixels, over: Pixels, coverage: Pixels) -> None:
    weight = coverage.astype(np.float32) / 255
    image[...] = cv2.blendLinear(over, np.ascontiguousarray(image), weight, 1 - weight)


def _draw_clutter(image: Pixels, item: Clutter) -> None:
    size = len(image)
    points = [_fixed(item.points, size)]
    if item.width is None:
        cv2.fillPoly(image, points, item.colour, cv2.LINE_AA, _SHIFT)
    else:
        cv2.polylines(image, points, False, item.colour, max(1, round(item.width * size)), cv2.LINE_AA, _SHIFT)


def _painted(paint: Paint, size: int, rows: slice, columns: slice) -> Pixels:
    """Return the window of a picture that is all `paint`: a mixture of its colours by a weight in [0, 1]."""
    if paint.pattern == "plain":
        return np.full((rows.stop - rows.start, columns.stop - columns.start, 3), paint.colours[0], np.uint8)
    centres = _centres(size)
    x, y = centres[None, columns] - paint.origin[0], centres[rows, None] - paint.origin[1]
    cos, sin = paint.frequency * math.cos(paint.angle), paint.frequency * math.sin(paint.angle)
    weight = x * cos + y * sin  # periods from the origin
    match paint.pattern:
        case "fade":
            weight = np.clip(weight + 0.5, 0, 1)
        case "stripes":
            weight = _wave(weight)
        case "checks":
            weight = np.abs(_wave(weight) - _wave(y * cos - x * sin))  # two waves across each other, apart or together
    first, second = np.array(paint.colours)
    mixture = np.stack([second - first, first], axis=1)  # (3, 2): a weight w becomes w (second - first) + first
    return cv2.transform(weight.astype(np.float32), mixture).astype(np.uint8)


def _wave(periods: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 0 and 1 in turn, half a period each, with soft edges."""
    triangle = 4 * np.abs(periods - np.floor(periods) - 0.5) - 1
    return np.clip(2 * triangle + 0.5, 0, 1)


@lru_cache(maxsize=8)
def _centres(size: int) -> NDArray[np.float64]:
    """Return the centres of a row's pixels, relative to the picture."""
    return (np.arange(size) + 0.5) / size


def _window(points: Points, size: int) -> tuple[slice, slice]:
    """Return the rows and columns that a contour can touch, a pixel of blur included."""
    low = np.maximum(np.floor(points.min(axis=0) * size).astype(int) - 2, 0)
    high = np.minimum(np.ceil(points.max(axis=0) * size).astype(int) + 2, size)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _fixed(points: Points, size: int) -> NDArray[np.int32]:
    return np.rint((points * size - 0.5) * (1 << _SHIFT)).astype(np.int32)
