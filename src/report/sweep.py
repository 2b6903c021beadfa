"""The parts of a sweep's page that a report over runs does not have: jobs, parameters, the best command."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from src.report.by_parameter import charts_by_parameter
from src.report.charts import text_width
from src.report.layout import Section, render
from src.report.numbers import MISSING, figure, number
from src.report.points import Point, configurations, finished, front
from src.report.tables import Cell, Table

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 60, 660, 34, 236
"""Edges of the plotting area of the parallel coordinates."""
LABELS = 8
"""Values of a parameter that are written beside its axis."""


def sweep_sections(
    points: Sequence[Point],
    metrics: Sequence[str],
    directions: Sequence[str],
    logs: Collection[str],
    importances: Mapping[str, float],
) -> list[Section]:
    """Return the sections: the best, all jobs by their metric, the metric by swept numbers, what the parameters did.

    The best is the configuration with the best mean over its seeds or, of several objectives, all jobs that no other
    beats. `logs` are the keys that are drawn on a logarithmic axis; `importances` their shares.
    """
    sign = -1 if directions[0] == "max" else 1
    ranked = sorted(points, key=lambda point: (math.isnan(point.figure(metrics[0])), sign * point.figure(metrics[0])))
    sections = []
    if len(metrics) > 1:
        best = front(points, metrics, directions)
        entries = [(", ".join(f"{name} {figure(point.figure(name))}" for name in metrics), point) for point in best]
    else:
        best, entries = _best(points, metrics[0], directions[0])
    if best:
        lie = [[point.name] for _, point in entries] if len(metrics) > 1 else [[point.name for point in best]]
        html = render("sweep_best.html", entries=entries, several=len(metrics) > 1, lie=lie)
        sections.append(Section("Best", html))
    marked = {point.name for point in best}
    sections.append(Section("Jobs", _table(ranked, metrics, directions[0], marked).as_html()))
    ended = finished(ranked, metrics)
    if charts := charts_by_parameter([(point.values, point.figure(metrics[0])) for point in ended], metrics[0], logs):
        html = Markup('<div class="charts">{}</div>').format(Markup("").join(charts))
        sections.append(Section("By parameter", html))
    drawn = parallel_coordinates(ended, metrics, logs, marked)
    shares = sorted(importances.items(), key=lambda item: -item[1])
    if drawn:
        html = render("sweep_parameters.html", chart=drawn, shares=shares, metric=metrics[0])
        sections.append(Section("Parameters", html))
    return sections


def _best(points: Sequence[Point], metric: str, direction: str) -> tuple[list[Point], list[tuple[str, Point]]]:
    """Return the jobs of the best configuration, and what is said of the one to train again."""
    ranked = configurations(points, metric, direction)
    if not ranked:
        return [], []
    best = ranked[0]
    text = f"{metric} {figure(best.mean)}"
    if len(best.points) > 1:
        text += f" ± {figure(best.deviation)}, the mean over {len(best.points)} seeds"
    return list(best.points), [(text, best.points[0])]


def _table(points: Sequence[Point], metrics: Sequence[str], direction: str, marked: Collection[str]) -> Table:
    keys = list(dict.fromkeys(key for point in points for key in point.values))
    why = any(point.reason for point in points)
    rows = [
        [
            Cell(point.name, marked=point.name in marked),
            *(_figure(point.figure(metric)) for metric in metrics),
            Cell(point.state, marked=point.state != "finished"),
            *(_value(point.values.get(key, MISSING)) for key in keys),
            *([Cell(point.reason)] if why else []),
        ]
        for point in points
    ]
    return Table("Jobs", ["job", *metrics, "state", *keys, *["why"] * why], rows, 1, direction == "max")


def _figure(value: float) -> Cell:
    return Cell(MISSING) if math.isnan(value) else Cell(figure(value), value)


def _value(text: str) -> Cell:
    try:
        value = float(text)
    except ValueError:
        return Cell(text)
    return Cell(number(value), value)


def parallel_coordinates(
    points: Sequence[Point], metrics: Sequence[str], logs: Collection[str], best: Collection[str]
) -> Markup:
    """Draw a line per finished job across an axis per parameter, those of the metrics last; `best` is drawn out.

    Empty where there are fewer than two jobs.
    """
    if len(points) < 2:
        return Markup("")
    keys = list(dict.fromkeys(key for point in points for key in point.values))
    columns = [[point.values.get(key, MISSING) for point in points] for key in keys]
    columns += [[repr(point.figure(metric)) for point in points] for metric in metrics]
    names = [*keys, *metrics]
    axes = [_axis(name, column, name in logs) for name, column in zip(names, columns, strict=True)]
    step = (RIGHT - LEFT) / max(1, len(axes) - 1)
    for index, axis in enumerate(axes):
        axis["x"] = round(LEFT + index * step, 1)
    lines = []
    for index, point in enumerate(points):
        places = [f"{axis['x']} {axis['at'][column[index]]}" for axis, column in zip(axes, columns, strict=True)]
        values = " ".join(f"{key}={value}" for key, value in point.values.items())
        reached = ", ".join(f"{name} {figure(point.figure(name))}" for name in metrics)
        lines.append({"path": "M" + "L".join(places), "best": point.name in best, "title": f"{values}: {reached}"})
    lines.sort(key=lambda line: bool(line["best"]))
    box = {"width": WIDTH, "height": HEIGHT, "top": TOP, "bottom": BOTTOM}
    return render("parallel.html", axes=axes, lines=lines, box=box, metric=" and ".join(metrics))


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
    written = [(_shown(text), at[text], text_width(_shown(text))) for text in labels]
    return {"name": name, "at": at, "labels": written, "log": log}


def _shown(text: str) -> str:
    try:
        return number(float(text))
    except ValueError:
        return text
