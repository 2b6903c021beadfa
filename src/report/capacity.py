"""What runs reach against how many parameters they learned (chapter, Figure 6.15)."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from src.report.charts import Series, line_chart
from src.report.groups import comparable
from src.report.layout import Section
from src.report.numbers import number
from src.report.runs import Run

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""What is kept beside the weights without being learned."""
WEIGHTS = "weights.safetensors"


def capacity_section(runs: Sequence[Run]) -> Section | None:
    """Draw, for the runs of each data set and problem, the monitored figure of every run against its parameters.

    None where none of these have runs of different size.
    """
    charts = [chart for problem, members in comparable(runs).items() if (chart := _chart(problem, members))]
    if not charts:
        return None
    return Section("Figures against parameters", Markup('<div class="charts">{}</div>').format(Markup("").join(charts)))


def _chart(problem: str, runs: Sequence[Run]) -> Markup | None:
    monitor = runs[0].monitor
    sized = [(learned_parameters(run.path / WEIGHTS), run.metrics.get(monitor), run) for run in runs]
    points = [(count, value, run) for count, value, run in sized if count and value is not None]
    if len({count for count, _, _ in points}) < 2:
        return None
    kinds = list(dict.fromkeys(run.network for _, _, run in points))
    series = [_series(kind, tone, points) for tone, kind in enumerate(kinds)]
    low, high = (bound(math.log10(count) for count, _, _ in points) for bound in (min, max))
    decades = [(float(power), f"{number(10.0**power)}") for power in range(math.floor(low), math.ceil(high) + 1)]
    title = f"{monitor} ({problem})"
    return line_chart(title, series, "learned parameters, logarithmic", x_ticks=decades, x_text=_parameters)


def _series(kind: str, tone: int, points: Sequence[tuple[int, float, Run]]) -> Series:
    """The runs of one kind, as dots: between them lie gaps."""
    x: list[float] = []
    y: list[float] = []
    for count, value, _ in sorted((one for one in points if one[2].network == kind), key=lambda one: one[0]):
        x += [math.log10(count), math.log10(count)]
        y += [value, math.nan]
    finite = [value for value in y if math.isfinite(value)]
    falls = points[0][2].mode == "min"
    best = f"at least {number(min(finite))}" if falls else f"at most {number(max(finite))}"
    return Series(kind, x[:-1], y[:-1], tone, figure=best)


def _parameters(power: float) -> str:
    return f"{round(10**power):,} parameters"


def learned_parameters(weights: Path) -> int | None:
    """Return how many numbers a file of weights holds that were learned, from its header; None where there is none."""
    try:
        with weights.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
    except (OSError, ValueError, struct.error):
        return None
    counts: list[int] = [
        math.prod(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and not name.endswith(STATISTICS)
    ]
    return sum(counts)
