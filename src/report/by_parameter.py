"""What a figure does as one swept number grows: a chart for each, with a line for each value of the other keys."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence

from markupsafe import Markup

from src.report.charts import Series, line_chart
from src.report.groups import SEED
from src.report.numbers import number

LINES = 8
"""More than so many lines tell a reader nothing."""
Values = Mapping[str, str]


def charts_by_parameter(points: Sequence[tuple[Values, float]], metric: str, logs: Collection[str]) -> list[Markup]:
    """Return a chart of a figure against each swept key of numbers, means over seeds where these are swept too.

    `points` are the swept values of each job, as typed, and what it reached; `logs` the keys that are drawn on a
    logarithmic axis. A key has a chart where its lines, one for each combination of the others' values, have at least
    two values each, and are few: so it is in a grid, and not in a search. An accuracy is drawn as the error, which is
    how depth and width are compared (chapter, section 6.5).
    """
    keys = [key for key in dict.fromkeys(key for values, _ in points for key in values) if key != SEED]
    error = metric.rpartition("/")[2] == "accuracy"
    figures = [(values, 1 - figure if error else figure) for values, figure in points if math.isfinite(figure)]
    title = f"error (1 - {metric})" if error else metric
    charts = []
    for key in keys:
        lines = _lines(figures, key, [other for other in keys if other != key])
        if lines and len(lines) <= LINES and all(len(line) > 1 for line in lines.values()):
            charts.append(_chart(f"{title} by {key}", lines, key, key in logs))
    return charts


def _lines(figures: Sequence[tuple[Values, float]], key: str, others: Sequence[str]) -> dict[str, dict[float, float]]:
    """Return the figures by what the other keys are, and by the key's number; nothing where it has no numbers."""
    found: dict[str, dict[float, list[float]]] = {}
    for values, figure in figures:
        try:
            x = float(values[key])
        except (KeyError, ValueError):
            return {}
        label = " ".join(f"{other.rpartition('.')[2]}={values.get(other, '')}" for other in others) or key
        found.setdefault(label, {}).setdefault(x, []).append(figure)
    return {label: {x: statistics.fmean(same) for x, same in sorted(line.items())} for label, line in found.items()}


def _chart(title: str, lines: Mapping[str, Mapping[float, float]], key: str, log: bool) -> Markup:
    def place(x: float) -> float:
        return math.log10(x) if log else x

    series = [
        Series(label, [place(x) for x in line], list(line.values()), tone)
        for tone, (label, line) in enumerate(lines.items())
    ]
    every = sorted({x for line in lines.values() for x in line})
    ticks = [(place(x), number(x)) for x in every] if len(every) <= LINES else None
    names = {place(x): f"{key}={number(x)}" for x in every}
    return line_chart(title, series, f"{key}{', logarithmic' if log else ''}", x_ticks=ticks, x_text=names.__getitem__)
