"""The parts of a sweep's page that a report over runs does not have: jobs, parameters, the best command."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from src.report.layout import Section, render
from src.report.numbers import MISSING, figure, number
from src.report.tables import Cell, Table

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 60, 660, 34, 236
"""Edges of the plotting area of the parallel coordinates."""
LABELS = 8
"""Values of a parameter that are written beside its axis."""


@dataclass(frozen=True)
class Point:
    """A job: its swept values as typed, what it reached, and how it is trained again."""

    name: str
    state: str
    values: Mapping[str, str]
    figure: float
    reason: str
    command: str


def sweep_sections(
    points: Sequence[Point], metric: str, direction: str, logs: Collection[str], importances: Mapping[str, float]
) -> list[Section]:
    """Return the sections: the best job, all jobs by their metric, and what the parameters did.

    `logs` are the keys that are drawn on a logarithmic axis; `importances` their shares.
    """
    sign = -1 if direction == "max" else 1
    ranked = sorted(points, key=lambda point: (math.isnan(point.figure), sign * point.figure))
    finished = [point for point in ranked if point.state == "finished" and not math.isnan(point.figure)]
    sections = []
    if finished:
        best = finished[0]
        html = render("sweep_best.html", metric=metric, figure=figure(best.figure), command=best.command)
        sections.append(Section("Best", html))
    sections.append(Section("Jobs", _table(ranked, metric, direction).as_html()))
    drawn = parallel_coordinates(finished, metric, logs)
    shares = sorted(importances.items(), key=lambda item: -item[1])
    if drawn:
        sections.append(Section("Parameters", render("sweep_parameters.html", chart=drawn, shares=shares)))
    return sections


def _table(points: Sequence[Point], metric: str, direction: str) -> Table:
    keys = list(dict.fromkeys(key for point in points for key in point.values))
    rows = [
        [
            Cell(point.name),
            Cell(MISSING) if math.isnan(point.figure) else Cell(figure(point.figure), point.figure),
            Cell(point.state, marked=point.state != "finished"),
            *(_value(point.values.get(key, MISSING)) for key in keys),
            Cell(point.reason),
        ]
        for point in points
    ]
    return Table("Jobs", ["job", metric, "state", *keys, "why"], rows, 1, direction == "max")


def _value(text: str) -> Cell:
    try:
        value = float(text)
    except ValueError:
        return Cell(text)
    return Cell(number(value), value)


def parallel_coordinates(points: Sequence[Point], metric: str, logs: Collection[str]) -> Markup:
    """Draw a line per finished job across an axis per parameter, the metric's last; the best is drawn out.

    Empty where there are fewer than two jobs.
    """
    if len(points) < 2:
        return Markup("")
    keys = list(dict.fromkeys(key for point in points for key in point.values))
    columns = [[point.values.get(key, MISSING) for point in points] for key in keys]
    axes = [_axis(key, column, key in logs) for key, column in zip(keys, columns, strict=True)]
    axes.append(_axis(metric, [repr(point.figure) for point in points], log=False))
    step = (RIGHT - LEFT) / max(1, len(axes) - 1)
    for index, axis in enumerate(axes):
        axis["x"] = round(LEFT + index * step, 1)
    texts = [*columns, [repr(point.figure) for point in points]]
    lines = []
    for index, point in reversed(list(enumerate(points))):
        places = [f"{axis['x']} {axis['at'][column[index]]}" for axis, column in zip(axes, texts, strict=True)]
        title = " ".join(f"{key}={value}" for key, value in point.values.items())
        lines.append({"path": "M" + "L".join(places), "best": index == 0, "title": f"{title}: {figure(point.figure)}"})
    box = {"width": WIDTH, "height": HEIGHT, "top": TOP, "bottom": BOTTOM}
    return render("parallel.html", axes=axes, lines=lines, box=box, metric=metric)


def _axis(name: str, texts: Sequence[str], log: bool) -> dict[str, Any]:
    """Return an axis: where each of its values lies and which are written; numbers by size, else in their order."""
    distinct = list(dict.fromkeys(texts))
    try:
        sizes = {text: math.log10(float(text)) if log else float(text) for text in distinct}
    except ValueError:
        sizes = {text: float(index) for index, text in enumerate(distinct)}
        labels = distinct[:LABELS]
    else:
        ordered = sorted(distinct, key=lambda text: sizes[text])
        labels = ordered if len(ordered) <= LABELS else [ordered[0], ordered[-1]]
    low, high = min(sizes.values()), max(sizes.values())
    at = {
        text: round(BOTTOM - (size - low) / ((high - low) or 1.0) * (BOTTOM - TOP), 1) for text, size in sizes.items()
    }
    return {"name": name, "at": at, "labels": [(_shown(text), at[text]) for text in labels], "log": log}


def _shown(text: str) -> str:
    try:
        return number(float(text))
    except ValueError:
        return text
