"""Line charts as inline SVG: numbers to geometry here, colours and type in the page's style sheet.

A chart is drawn on a canvas of 360 x 210 units, so that its letters stay legible on a telephone and modest in a column
of a wide page.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from src.report.layout import render
from src.report.numbers import number, tick

WIDTH, HEIGHT = 360, 210
LEFT, RIGHT, TOP, BOTTOM = 40, 352, 7, 174
"""Edges of the plotting area within the canvas; left and right are further in where labels need the room."""
LETTER, POINT = 7.0, 3.5
"""Units that a letter of an axis label takes in a wide font, and a point or thin space."""
MAX_POINTS = 800
"""Of a line: a longer one keeps the highest and lowest point of each stretch, so that no spike is lost."""
MAX_HOVERS = 120
MAX_NAMES = 16
"""Groups of points that have their names written among them."""
Ticks = Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Series:
    """A line. A `y` that is not finite is a gap; `tone` is its colour; a `faint` one is background, without values."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    tone: int = 0
    faint: bool = False
    figure: str | None = None
    """What the legend says of it in place of the last value."""
    quiet: bool = False
    """Drawn without a word in the legend and without values: one line of many."""
    run: int | None = None
    """The run that it belongs to, where a page has several to choose from."""


@dataclass(frozen=True)
class Axis:
    """Maps values to pixels between `start` and `end`."""

    low: float
    high: float
    start: int
    end: int
    ticks: Ticks
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)


def line_chart(
    title: str,
    series: Sequence[Series],
    x_label: str,
    *,
    log_y: bool = False,
    x_ticks: Ticks | None = None,
    x_text: Callable[[float], str] = number,
    max_points: int = MAX_POINTS,
    marked: float | None = None,
) -> Markup:
    """Draw several lines over one x axis; empty where no series has a finite value.

    `log_y` needs positive values: others become gaps. `x_ticks` replaces the round numbers below the x axis, and
    `x_text` says what an x is called when the pointer is over it. A line of more than `max_points` is thinned out; a
    point without neighbours is a dot. A dashed line stands at the x that is `marked`.
    """
    series = [_drawable(one, log_y) for one in series]
    series = [one for one in series if any(map(math.isfinite, one.y))]
    if not series:
        return Markup("")
    y_values = [y for one in series for y in one.y if math.isfinite(y)]
    y_axis = _log_axis(y_values) if log_y else _y_axis(y_values)
    left = max(LEFT, math.ceil(max(text_width(label) for _, label in y_axis.ticks)) + 8)
    x_axis = _x_axis([x for one in series for x in one.x], x_ticks, left)
    lines = [
        {
            "series": one,
            "path": _path(one, x_axis, y_axis, max_points),
            "dots": [(x_axis(x), y_axis(y)) for x, y in _alone(one)],
            "last": [y for y in one.y if math.isfinite(y)][-1],
        }
        for one in sorted(series, key=lambda one: (not one.faint, not one.quiet))
    ]
    hovers = list(_hovers([one for one in series if not (one.faint or one.quiet)], x_axis, y_axis, x_text))
    box = {"width": WIDTH, "height": HEIGHT, "left": left, "right": RIGHT, "top": TOP, "bottom": BOTTOM}
    mark = None if marked is None or not x_axis.low <= marked <= x_axis.high else x_axis(marked)
    return render(
        "chart.html",
        title=title,
        x_label=x_label,
        below=_below(x_axis),
        y=y_axis,
        lines=lines,
        hovers=hovers,
        box=box,
        mark=mark,
    )


def text_width(text: str) -> float:
    """Return about how many units of the canvas an axis label takes; rather too many than too few."""
    return sum(POINT if letter in ".,:\N{NARROW NO-BREAK SPACE} " else LETTER for letter in text)


def _alone(series: Series) -> Iterator[tuple[float, float]]:
    """Yield the points between gaps: a line cannot show them."""
    there = [False, *map(math.isfinite, series.y), False]
    for place, (x, y) in enumerate(zip(series.x, series.y, strict=True), 1):
        if there[place] and not there[place - 1] and not there[place + 1]:
            yield x, y


def scatter_chart(title: str, groups: Sequence[tuple[str, NDArray[np.float64], Sequence[str]]], x_label: str) -> Markup:
    """Draw the points of several groups: (name, (N, 2) coordinates, what each point is called).

    Both axes have one scale, without figures: only distances mean something. A group's tone comes with its order, and
    as long as they are few its name stands in its middle. Empty where there are no points.
    """
    groups = [group for group in groups if len(group[1])]
    if not groups:
        return Markup("")
    every = np.concatenate([points for _, points, _ in groups])
    low, high = every.min(axis=0), every.max(axis=0)
    scale = max(float(((high - low) / [RIGHT - LEFT, BOTTOM - TOP]).max()), 1e-12)
    middle = np.array([(LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2])

    def placed(points: NDArray[np.float64]) -> list[list[float]]:
        found: list[list[float]] = np.round((points - (low + high) / 2) * [1, -1] / scale + middle, 1).tolist()
        return found

    drawn = [
        {"name": name, "tone": tone, "points": list(zip(placed(points), texts, strict=True)),
         "middle": placed(points.mean(axis=0)[None])[0]}
        for tone, (name, points, texts) in enumerate(groups)
    ]  # fmt: skip
    box = {"width": WIDTH, "height": HEIGHT, "middle": (LEFT + RIGHT) / 2}
    named = len(groups) <= MAX_NAMES
    return render("scatter.html", title=title, x_label=x_label, groups=drawn, named=named, box=box)


def _drawable(series: Series, log_y: bool) -> Series:
    y = [y if math.isfinite(y) and (y > 0 or not log_y) else math.nan for y in series.y]
    return replace(series, y=y)


def _round_step(extent: float, count: int) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that divides `extent` into at most `count` parts."""
    raw = extent / count
    magnitude = 10.0 ** math.floor(math.log10(raw))
    return next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= raw * (1 - 1e-9))


def _widened(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = 0.0 if high - low > 1e-9 * max(abs(low), abs(high)) else (abs(high) or 1.0) / 2
    return low - pad, high + pad


def _x_axis(values: Sequence[float], ticks: Ticks | None, left: int) -> Axis:
    low, high = _widened(values)
    step = _round_step(high - low, 6)
    rounds = [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    if ticks is None:
        ticks = [(value, tick(value, step)) for value in rounds]
    return Axis(low, high, left, RIGHT, [one for one in ticks if low <= one[0] <= high])


def _below(axis: Axis) -> list[tuple[float, float, str]]:
    """Return where each tick of an x axis and the middle of its label are, and the label.

    A label stays within the canvas; where two would run into each other, the last is the one that is written.
    """
    found: list[tuple[float, float, str]] = []
    free = float(WIDTH)
    for value, label in reversed(axis.ticks):
        width = text_width(label)
        middle = min(axis(value), math.floor(10 * (WIDTH - width / 2)) / 10)
        fits = middle + width / 2 <= free
        found.append((axis(value), middle, label if fits else ""))
        free = middle - width / 2 - LETTER if fits else free
    return found[::-1]


def _y_axis(values: Sequence[float]) -> Axis:
    low, high = _widened(values)
    if min(values) >= 0 and max(values) <= 1:  # a share alone is not drawn beyond what it can be
        low, high = max(0.0, low), min(1.0, high)
    step = _round_step(high - low, 5)
    rounds = [k * step for k in range(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)]
    return Axis(rounds[0], rounds[-1], BOTTOM, TOP, [(value, tick(value, step)) for value in rounds])


def _log_axis(values: Sequence[float]) -> Axis:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    every = -(-(high - low) // 6)
    ticks = [(10.0**power, number(10.0**power)) for power in range(low, high + 1, every)]
    return Axis(10.0**low, 10.0**high, BOTTOM, TOP, ticks, log=True)


def _path(series: Series, x_axis: Axis, y_axis: Axis, max_points: int) -> str:
    """SVG path data, a subpath for each stretch without gaps; a lone point is a line of no length, drawn as a dot."""
    x, y = np.asarray(series.x, np.float64), np.asarray(series.y, np.float64)
    pieces = []
    for stretch in np.split(np.arange(len(y)), np.flatnonzero(~np.isfinite(y))):
        kept = [i for i in stretch if math.isfinite(y[i])]
        points = [f"{x_axis(x[i])} {y_axis(y[i])}" for i in _extremes(kept, y, max_points)]
        if points:
            pieces.append("M" + "L".join(points if len(points) > 1 else points * 2))
    return "".join(pieces)


def _extremes(indices: Sequence[int], y: NDArray[np.float64], max_points: int) -> Iterable[int]:
    if len(indices) <= max_points:
        return indices
    chunks = np.array_split(np.asarray(indices), max_points // 2)
    return sorted({int(chunk[pick(y[chunk])]) for chunk in chunks for pick in (np.argmin, np.argmax)})


def _hovers(
    series: Sequence[Series], x_axis: Axis, y_axis: Axis, x_text: Callable[[float], str]
) -> Iterator[dict[str, object]]:
    """A band of the plot for each x: what it is called, the values there, and where their dots are."""
    xs = sorted({x for one in series for x, y in zip(one.x, one.y, strict=True) if math.isfinite(y)})
    if not xs:
        return
    xs = xs[:: -math.ceil(len(xs) / MAX_HOVERS)][::-1]
    middles = [x_axis(x) for x in xs]
    edges = [x_axis.start, *((a + b) / 2 for a, b in itertools.pairwise(middles)), x_axis.end]
    values = [dict(zip(one.x, one.y, strict=True)) for one in series]
    for x, middle, (start, end) in zip(xs, middles, itertools.pairwise(edges), strict=True):
        here = [
            (one, value[x]) for one, value in zip(series, values, strict=True) if math.isfinite(value.get(x, math.nan))
        ]
        text = "\n".join([x_text(x), *(f"{one.label} {number(y)}" for one, y in here)])
        dots = [(one.tone, y_axis(y)) for one, y in here]
        yield {"text": text, "x": middle, "start": round(start, 1), "width": round(end - start, 1), "dots": dots}
