"""The curves of many runs on top of each other: a chart per learning problem and metric, of which one is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from src.report.charts import Series, line_chart
from src.report.curves import STEP, History, spans_decades, whole_step
from src.report.groups import Group, Spread, comparable, group_names, grouped
from src.report.headline import headline_metrics
from src.report.layout import Section, render
from src.report.numbers import figure, number
from src.report.runs import Run

TONES = 6
"""Groups that have a colour of their own; the others are background."""
CROWD = 30
"""Runs from which on lines are drawn thinner."""
POINTS = 12_000
"""Of all lines of a chart together; each has at least `FEWEST`."""
FEWEST = 40


@dataclass(frozen=True)
class _Line:
    """A run as it is drawn: its number on the page, its colour, and what the legend says where it speaks for others."""

    run: Run
    number: int
    tone: int
    name: str | None
    group: Group


def overlay_section(runs: Sequence[Run]) -> Section | None:
    """Draw every column of metrics.csv but the logged steps, over epochs; None where no run has a curve.

    Only runs that can be compared share a chart. Those that are equal but for the seed share a colour; the best groups
    have one each.
    """
    choices: list[tuple[str, str]] = []
    charts: list[Markup] = []
    problems = comparable(runs)
    numbers = {id(run): index for index, run in enumerate(runs, 1)}
    for problem, members in problems.items():
        lines = _lines(members, numbers)
        for column in _columns(members):
            chart = _chart(column, lines)
            if chart:
                choices.append((problem if len(problems) > 1 else "", column))
                charts.append(chart)
    if not charts:
        return None
    drawn = [(index, run.label) for index, run in enumerate(runs, 1) if run.history.columns]
    background = any(len(grouped(members)) > TONES for members in problems.values())
    html = render(
        "overlay.html",
        choices=choices,
        charts=charts,
        runs=drawn,
        background=background,
        tones=TONES,
        crowd=CROWD,
    )
    return Section("Curves", html)


def _lines(runs: Sequence[Run], numbers: Mapping[int, int]) -> list[_Line]:
    groups = grouped(runs)
    return [
        _Line(run, numbers[id(run)], rank, name if run is _speaker(group) else None, group)
        for rank, (group, name) in enumerate(zip(groups, group_names(groups), strict=True))
        for run in group.runs
    ]


def _speaker(group: Group) -> Run:
    """The run of a group whose values are told when the pointer is over the chart."""
    return next((run for run in group.runs if run.history.columns), group.runs[0])


def _columns(runs: Sequence[Run]) -> list[str]:
    """The metric that the weights were chosen by, then the others by their importance, at last the learning rate."""
    names = dict.fromkeys(name for run in runs for name in run.history.columns if not name.startswith("test/"))
    shown = [name for name in names if not name.endswith(STEP)]
    monitors = [run.monitor for run in runs]
    ordered = headline_metrics(shown, monitors[0].partition("/")[2])
    rest = [name for name in ordered if name not in monitors]
    return [name for name in dict.fromkeys(monitors) if name in shown] + sorted(rest, key=lambda name: "/" not in name)


def _chart(column: str, lines: Sequence[_Line]) -> Markup:
    series = [_series(column, line) for line in lines if column in line.run.history.columns]
    return line_chart(
        column,
        series,
        "epochs",
        log_y="loss" in column and spans_decades(series),
        x_ticks=_whole_epochs(max((one.x[-1] for one in series), default=0.0)),
        x_text=lambda x: f"after {number(round(x, 2))} epochs",
        max_points=max(FEWEST, POINTS // max(1, len(series))),
    )


def _whole_epochs(last: float) -> list[tuple[float, str]]:
    every = whole_step(math.ceil(last))
    return [(float(epoch), str(epoch)) for epoch in range(0, math.ceil(last) + 1, every)]


def _series(column: str, line: _Line) -> Series:
    points = line.run.history.columns[column]
    epoch = steps_per_epoch(line.run.history)
    faint = line.tone >= TONES
    return Series(
        line.name or "",
        [step / epoch for step, _ in points],
        [value for _, value in points],
        tone=line.tone,
        faint=faint,
        figure=_last_of(column, line.group),
        quiet=faint or line.name is None,
        run=line.number,
    )


def steps_per_epoch(history: History) -> float:
    """Return the optimizer steps of an epoch: those after which the first one ended."""
    first = [step for step, epoch in history.epoch_at.items() if epoch == 0]
    if first:
        return max(*first, 1.0)
    return max(max(history.epoch_at, default=1.0) / (max(history.epoch_at.values(), default=0) + 1), 1.0)


def _last_of(column: str, group: Group) -> str:
    """The last value of a group's curves, their mean where it has several."""
    ends = [run.history.columns[column][-1][1] for run in group.runs if column in run.history.columns]
    spread = Spread.of([value for value in ends if math.isfinite(value)])
    if spread is None:
        return number(math.nan)
    mean = figure(spread.mean)
    return mean if spread.n == 1 else f"{mean}, mean of {spread.n}"
