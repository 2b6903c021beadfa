"""Objects in boxes as an annotation has them, and the images that they are marked in."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Corners = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in pixels: a box from one corner of the image to the other is (0, 0, width, height)."""


@dataclass(frozen=True)
class Marked:
    """An object as an annotation has it, and where it stands there."""

    name: str
    corners: Corners
    place: str
    written: Corners | None = None
    """The four numbers as they are written, where another reading of them makes sense."""


@dataclass
class Picture:
    """An annotated image: its file, height and width, its split (`all` where none is named), and what it shows."""

    file: str
    size: tuple[int, int]
    split: str
    objects: list[Marked] = field(default_factory=list)
    spoiled: bool = False
    """Whether an annotation of it was wrong: what it shows without that is not known to be nothing."""
    place: str = ""
    """Where it stands in the annotations."""
    unused: str = ""
    """What it shows beside `objects` that is not used, such as `crowds`: without an object it does not show nothing."""


def as_array(objects: list[Marked]) -> NDArray[np.float32]:
    """Return the corners (N, 4) of objects."""
    return np.array([marked.corners for marked in objects], np.float32).reshape(-1, 4)


def clipped(corners: Corners, height: int, width: int) -> Corners:
    """Return a box clipped to its image."""
    x0, y0, x1, y1 = corners
    return max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)


def area(corners: Corners) -> float:
    """Return the area of a box."""
    return (corners[2] - corners[0]) * (corners[3] - corners[1])
