"""How the four numbers of a box are to be read, and what speaks for another reading than the one that was named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from src.data.sources.marked import Corners, Marked, Picture

BoxFormat = Literal["xyxy", "xywh"]
BoxUnits = Literal["pixels", "relative"]
Boxes = NDArray[np.float64]

_FEW = 0.9
"""The share of boxes that must make sense as they are read; below it another reading is looked for."""
_FIRST_PIXEL = 1.01
_TINY = 2.0
_CORNER = 0.25
_ENOUGH = 8
"""Boxes from which on it is no chance that all of them lie in one corner."""


def corners(numbers: Corners, height: int, width: int, form: BoxFormat, units: BoxUnits) -> Corners:
    """Return the box in pixels that four numbers mean: two corners, or the upper left one with width and height."""
    a, b, c, d = numbers
    if form == "xywh":
        c, d = a + c, b + d
    if units == "relative":
        return a * width, b * height, c * width, d * height
    return a, b, c, d


def first_pixel_alone(pictures: Sequence[Picture]) -> str | None:
    """Return the message where every box, in pixels, lies within its image's first pixel: they must be relative."""
    objects = [marked for picture in pictures for marked in picture.objects]
    if not objects or any(max(marked.corners) > _FIRST_PIXEL for marked in objects):
        return None
    return (
        f"data.source.box_units=pixels, but no box reaches beyond the first pixel of its image; the first is "
        f"{_shown(objects[0])}. Are they relative to the image? Then type data.source.box_units=relative"
    )


def questions(
    pictures: Sequence[Picture], tolerance: float, form: BoxFormat, units: BoxUnits, *, forms: Sequence[BoxFormat]
) -> list[str]:
    """Return what a person should be asked about boxes that can hardly be meant as they are read, a sentence each.

    `forms` are the formats that the source can be told.
    """
    marked = [(one, picture.size) for picture in pictures for one in picture.objects]
    if not marked:
        return []
    objects = [one for one, _ in marked]
    sizes = np.array([size for _, size in marked], np.float64)
    found = np.array([one.corners for one in objects], np.float64)
    asked = [_of_another_reading(objects, sizes, tolerance, form, units, forms)]
    if units == "pixels" and asked == [None]:
        asked += [_of_tiny(objects, found), _of_corner(objects, found, sizes)]
    return [question for question in asked if question is not None]


def _of_another_reading(
    objects: Sequence[Marked],
    sizes: Boxes,
    tolerance: float,
    form: BoxFormat,
    units: BoxUnits,
    forms: Sequence[BoxFormat],
) -> str | None:
    """Name the one reading under which all boxes lie in their images, where many do not under this one."""
    written = [one.written for one in objects if one.written is not None]
    if len(written) < len(objects):
        return None
    numbers = np.array(written, np.float64)

    def share(other_form: BoxFormat, other_units: BoxUnits) -> float:
        return float(_sound(_all_corners(numbers, sizes, other_form, other_units), sizes, tolerance).mean())

    wrong = round((1 - share(form, units)) * len(objects))
    if wrong <= (1 - _FEW) * len(objects):
        return None
    all_units: tuple[BoxUnits, ...] = ("pixels", "relative")
    readings = [(f, u) for f in forms for u in all_units if (f, u) != (form, units)]
    fitting = [(f, u) for f, u in readings if share(f, u) == 1 and _large_enough(numbers, sizes, f, u)]
    if not fitting:
        return None
    keys = {"box_format": (form, fitting[0][0]), "box_units": (units, fitting[0][1])}
    typed = " ".join(f"data.source.{key}={other}" for key, (own, other) in keys.items() if own != other)
    return (
        f"{wrong} of {len(objects)} boxes make no sense as data.source.box_format={form} "
        f"data.source.box_units={units}, such as {_shown(objects[0])}, but all of them do with {typed}: is that meant?"
    )


def _all_corners(numbers: Boxes, sizes: Boxes, form: BoxFormat, units: BoxUnits) -> Boxes:
    scale = np.tile(sizes[:, ::-1], 2) if units == "relative" else 1.0
    found = numbers.copy()
    if form == "xywh":
        found[:, 2:] += found[:, :2]
    return np.asarray(found * scale)


def _sound(boxes: Boxes, sizes: Boxes, tolerance: float) -> NDArray[np.bool_]:
    """Return which boxes (N, 4) have an area and lie within their images, as the sources ask of them."""
    beyond = np.maximum((-boxes[:, :2]).max(axis=1), (boxes[:, 2:] - sizes[:, ::-1]).max(axis=1))
    return np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1) & (beyond <= tolerance), np.bool_)


def _large_enough(numbers: Boxes, sizes: Boxes, form: BoxFormat, units: BoxUnits) -> bool:
    """Tell whether a reading makes most boxes larger than two pixels: as pixels, whatever is relative would fit."""
    found = _all_corners(numbers, sizes, form, units)
    return bool(np.median((found[:, 2:] - found[:, :2]).max(axis=1)) >= _TINY)


def _of_tiny(objects: Sequence[Marked], found: Boxes) -> str | None:
    sides = found[:, 2:] - found[:, :2]
    tiny = np.flatnonzero((sides > 0).all(axis=1) & (sides < _TINY).all(axis=1))
    if not len(tiny):
        return None
    return (
        f"{len(tiny)} of {len(objects)} boxes are less than two pixels wide and high, such as "
        f"{_shown(objects[int(tiny[0])])}: are they relative? Then type data.source.box_units=relative"
    )


def _of_corner(objects: Sequence[Marked], found: Boxes, sizes: Boxes) -> str | None:
    reached = (found[:, 2:] / sizes[:, ::-1]).max()
    if len(objects) < _ENOUGH or reached > _CORNER:
        return None
    return (
        f"all {len(objects)} boxes lie in the upper left {reached:.0%} of their images, such as {_shown(objects[0])}: "
        "are they percent, relative (data.source.box_units=relative), or of images of another size?"
    )


def _shown(marked: Marked) -> str:
    numbers = ", ".join(f"{number:g}" for number in (marked.written or marked.corners))
    return f"({numbers}) at {marked.place}"
