"""The kinds of object that `Shapes` draws: outlines in the object's own frame, and the points that landmarks are.

An outline's own box is centred on the origin; x points right and y down, as in a picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""(N, 2) x and y."""

LANDMARKS = ("centre", "top", "right", "bottom", "left")


@dataclass(frozen=True)
class Kind:
    """A shape with a name. `contours` are filled by the even-odd rule: the first is the outer one, a second a hole."""

    name: str
    contours: tuple[Points, ...]
    landmarks: Points
    """(5, 2), in the order of `LANDMARKS`: the middle of its own box, and its extreme points; where several points are
    equally extreme (the two feet of a triangle), the point midway. All lie in the convex hull, so inside every box."""
    area: float
    """What is filled, in the units of the outline."""


def _kind(name: str, outer: Points, hole: Points | None = None) -> Kind:
    middle = (outer.min(axis=0) + outer.max(axis=0)) / 2
    outer = outer - middle
    contours = (outer,) if hole is None else (outer, hole - middle)
    extremes = [_extreme(outer, axis, sign) for axis, sign in ((1, -1), (0, 1), (1, 1), (0, -1))]
    area = _area(outer) - (0.0 if hole is None else _area(hole))
    return Kind(name, contours, np.stack([np.zeros(2), *extremes]), area)


def _area(polygon: Points) -> float:
    """Return the area inside, by the shoelace formula."""
    following = np.roll(polygon, -1, axis=0)
    return abs(float(np.sum(polygon[:, 0] * following[:, 1] - polygon[:, 1] * following[:, 0]))) / 2


def _extreme(points: Points, axis: int, sign: int) -> Points:
    along = sign * points[:, axis]
    ties: Points = points[along > along.max() - 1e-6]
    middle: Points = ties.mean(axis=0)
    return middle


def _arc(start: float, stop: float, points: int, radius: float = 1.0, centre: float = 0.0) -> Points:
    """Points on a circle whose middle is (centre, 0), at angles in turns, clockwise from the right."""
    angles = 2 * np.pi * np.linspace(start, stop, points)
    return np.stack([centre + radius * np.cos(angles), radius * np.sin(angles)], axis=1)


def _circle(radius: float) -> Points:
    return _arc(0.0, 1.0, 41, radius)[:-1]


def _star() -> Points:
    """A pentagram, one point up."""
    radii = np.tile([1.0, 0.382], 5)[:, None]
    return radii * _arc(-0.25, 0.75, 11)[:-1]


def _cross() -> Points:
    arm = 0.28
    quarter = np.array([[arm, -1.0], [arm, -arm], [1.0, -arm]])
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])  # row vectors, clockwise by a right angle
    return np.concatenate([quarter @ np.linalg.matrix_power(turn, n) for n in range(4)])


def _crescent() -> Points:
    """A disc less a smaller one to its right: horns point right."""
    outer = _arc(0.12, 0.88, 31)
    horn_x, horn_y = outer[0]
    centre = 0.5
    radius = float(np.hypot(horn_x - centre, horn_y))
    angle = float(np.arctan2(horn_y, horn_x - centre)) / (2 * np.pi)
    inner = _arc(1.0 - angle, angle, 21, radius, centre)[1:-1]
    return np.concatenate([outer, inner])


KINDS = (
    _kind("disc", _circle(1.0)),
    _kind("ring", _circle(1.0), hole=_circle(0.55)),
    _kind("square", np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])),
    _kind("triangle", np.array([[0.0, -1.7], [1.0, 0.0], [-1.0, 0.0]])),
    _kind("star", _star()),
    _kind("cross", _cross()),
    _kind("crescent", _crescent()),
)
