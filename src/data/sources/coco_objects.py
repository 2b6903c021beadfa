"""The box of an object in COCO's form: as written, or the one around its outline or mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from src.data.sources.marked import Corners


def written_box(entry: Mapping[str, Any]) -> Corners:
    """Return `bbox` (x, y, width, height), computed from `segmentation` where there is none.

    Raises ValueError with the reason where neither says where the object is.
    """
    box = entry.get("bbox")
    if box:
        try:
            x, y, width, height = map(float, box)
        except (TypeError, ValueError):
            raise ValueError(f"bbox {box} has no four numbers") from None
        return x, y, width, height
    outline = entry.get("segmentation")
    if not outline:
        raise ValueError(f"bbox {box} has no four numbers, and there is no segmentation")
    try:
        x0, y0, x1, y1 = _mask_box(outline) if isinstance(outline, Mapping) else _polygon_box(outline)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError):
        raise ValueError("no bbox, and a segmentation that is neither polygons nor a run-length code") from None
    return x0, y0, x1 - x0, y1 - y0


def _polygon_box(polygons: Sequence[Any]) -> Corners:
    """Return the box around polygons, lists of x, y, x, y, ...; around all of them, as parts of one object."""
    flat = polygons if isinstance(polygons[0], Sequence) else [polygons]
    points = [float(number) for polygon in flat for number in polygon]
    xs, ys = points[::2], points[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def _mask_box(code: Mapping[str, Any]) -> Corners:
    """Return the box around a run-length coded mask: runs of 0 and 1 in turn, column by column."""
    height, width = (int(side) for side in code["size"])
    counts = code["counts"]
    runs = list(_decoded(counts) if isinstance(counts, str) else map(int, counts))
    if sum(runs) > height * width or min(runs, default=0) < 0:
        raise ValueError("more pixels than the image has")
    left, top, right, bottom = width, height, 0, 0
    position = 0
    for number, run in enumerate(runs):
        if number % 2 and run:
            (x0, y0), (x1, y1) = divmod(position, height), divmod(position + run - 1, height)
            if x1 > x0:  # over the end of a column: its last row and the first of the next
                y0, y1 = 0, height - 1
            left, top, right, bottom = min(left, x0), min(top, y0), max(right, x1 + 1), max(bottom, y1 + 1)
        position += run
    if right == 0:
        raise ValueError("no pixel is set")
    return float(left), float(top), float(right), float(bottom)


def _decoded(text: str) -> list[int]:
    """Return the runs of pycocotools' compressed code: five bits a letter, the lowest first, from the third run on as
    the difference from the last but one.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value |= -1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs
