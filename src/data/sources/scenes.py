"""What a drawn picture shows: where its objects stand, how they are painted, and what lies behind them."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np

from src import seeds
from src.data.sources.drawing import Clutter, Colour, Figure, Paint, Pattern, Scene
from src.data.sources.kinds import KINDS, Points

_TURN = 0.2  # radians to either side: top stays top
_STRETCH = 0.1  # of an object's axes, one by exp(s) and the other by exp(-s)
_MARGIN = 0.03  # between an object and the border
_PATTERNS: tuple[Pattern, ...] = ("stripes", "fade", "checks", "plain")


def coats(seed: int, count: int) -> tuple[Paint, ...]:
    """Return `count` coats: a vivid colour, a darker one beside it and a pattern; as far apart in hue as can be."""
    random = Random(seeds.stream(seed, "coats"))
    start = random.random()
    found = []
    for number in range(count):
        hue = start + number / count
        second = _colour(hue + random.uniform(-0.12, 0.12), random.uniform(0.5, 0.9), 0.6)
        colours = (_colour(hue, random.uniform(0.75, 1), 0.95), second)
        frequency = random.uniform(2, 3)  # periods in the square root of the object's area
        found.append(Paint(_PATTERNS[number % len(_PATTERNS)], colours, frequency, random.uniform(0, math.pi)))
    return tuple(found)


def compose(
    random: Random, identity: int, identities: int, wardrobe: Sequence[Paint], max_objects: int
) -> tuple[Scene, list[int]]:
    """Return a scene whose largest object is individual `identity` (nobody: -1), and who its objects are.

    Objects come from the largest to the smallest, each wholly inside the picture and at most a quarter of its box
    shared with another's; one that finds no place is left out.
    """
    largest = random.uniform(0.36, 0.46) if max_objects == 1 else random.uniform(0.2, 0.3)
    who = [] if identity < 0 else [identity]
    who += [random.randrange(identities) for _ in range(random.randrange(max_objects) if who else 0)]
    sides = sorted((random.uniform(0.4, 0.85) * largest for _ in who[1:]), reverse=True)
    figures: list[Figure] = []
    present = []
    for one, side in zip(who, [largest, *sides], strict=False):
        figure = _place(random, one, side, wardrobe, figures)
        if figure is not None:
            figures.append(figure)
            present.append(one)
    worn = [figure.paint for figure in figures] or [random.choice(wardrobe)]
    clutter = tuple(_clutter(random, wardrobe) for _ in range(random.randint(1, 4)))
    scene = Scene(
        background=_background(random, worn),
        clutter=clutter,
        figures=tuple(figures),
        light=random.uniform(0.8, 1.1),
        noise=random.uniform(2, 20),
    )
    return scene, present


def _place(
    random: Random, identity: int, side: float, wardrobe: Sequence[Paint], others: Sequence[Figure]
) -> Figure | None:
    """Return an individual of the area side * side at a free place, or None."""
    coat, number = divmod(identity, len(KINDS))
    kind = KINDS[number]
    turn, stretch = random.uniform(-_TURN, _TURN), math.exp(random.uniform(-_STRETCH, _STRETCH))
    x, y = side / math.sqrt(kind.area) * stretch, side / math.sqrt(kind.area) / stretch
    cos, sin = math.cos(turn), math.sin(turn)
    matrix = np.array([[x * cos, x * sin], [-y * sin, y * cos]])  # for row vectors: stretched, then turned
    outline = kind.contours[0] @ matrix
    low, high = outline.min(axis=0), outline.max(axis=0)
    extent = high - low
    for _ in range(10):
        corner = np.array([random.uniform(_MARGIN, 1 - _MARGIN - length) for length in extent])
        if all(_shared(corner, corner + extent, other.contours[0]) < 0.25 for other in others):
            break
    else:
        return None
    offset = corner - low
    contours = tuple(contour @ matrix + offset for contour in kind.contours)
    paint, middle = wardrobe[coat], (float(offset[0]), float(offset[1]))
    paint = replace(paint, frequency=paint.frequency / side, angle=paint.angle + turn, origin=middle)
    return Figure(contours, kind.landmarks @ matrix + offset, paint)


def _shared(low: Points, high: Points, other: Points) -> float:
    """Return the common area of two boxes as a share of the smaller one; `other` is an outline."""
    other_low, other_high = other.min(axis=0), other.max(axis=0)
    common = np.prod(np.clip(np.minimum(high, other_high) - np.maximum(low, other_low), 0, None))
    return float(common / min(np.prod(high - low), np.prod(other_high - other_low)))


def _background(random: Random, worn: Sequence[Paint]) -> Paint:
    """Return, of three backgrounds, the one whose colours are farthest from the coats in the picture."""
    candidates = []
    for _ in range(3):
        hue, saturation, value = random.random(), random.uniform(0, 0.6), random.uniform(0.15, 0.9)
        second = _colour(hue + random.uniform(-0.1, 0.1), saturation, value * random.uniform(0.6, 1))
        colours = (_colour(hue, saturation, value), second)
        pattern = random.choice(_PATTERNS[:3])  # all but plain
        frequency = random.uniform(0.7, 1.2) if pattern == "fade" else random.uniform(1, 8)
        candidates.append(Paint(pattern, colours, frequency, random.uniform(0, 2 * math.pi)))
    return max(candidates, key=lambda paint: min(_distance(paint, coat) for coat in worn))


def _distance(one: Paint, other: Paint) -> float:
    return min(math.dist(a, b) for a in one.colours for b in other.colours)


def _clutter(random: Random, wardrobe: Sequence[Paint]) -> Clutter:
    """Return a line or an uneven blob, in any colour, often one that objects wear."""
    if random.random() < 0.5:
        colour = random.choice(random.choice(wardrobe).colours)
    else:
        colour = _colour(random.random(), random.random(), random.random())
    x, y = random.random(), random.random()
    if random.random() < 0.6:
        angle, reach = random.uniform(0, 2 * math.pi), random.uniform(0.1, 0.4)
        ends = [(x + sign * reach * math.cos(angle), y + sign * reach * math.sin(angle)) for sign in (-1, 1)]
        return Clutter(np.array(ends), colour, random.uniform(0.01, 0.04))
    points = []
    for corner in range(6):
        angle, reach = math.tau * (corner + random.random()) / 6, random.uniform(0.02, 0.1)
        points.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    return Clutter(np.array(points), colour, None)


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return 255 * red, 255 * green, 255 * blue
