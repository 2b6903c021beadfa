"""The curves of a run: one chart per metric of metrics.csv, its splits as lines, over steps marked by epochs."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from markupsafe import Markup

from src.report.charts import Series, Ticks, line_chart
from src.report.headline import is_baseline
from src.report.layout import Section
from src.report.numbers import number

_TONES = {"train": 0, "val": 1}
_FIRST = ("loss", "accuracy")
_TITLES = {
    "lr": "Learning rate",
    "roc_auc": "ROC area",
    "tar_at_far_0.01": "True accepts at 0.01 false ones",
    "tar_at_far_0.001": "True accepts at 0.001 false ones",
}
STEP = "_step"
"""How the columns of logged steps end."""


@dataclass(frozen=True)
class History:
    """What metrics.csv holds: the (step, value) pairs of every column, and the epoch of every step that has a row."""

    columns: Mapping[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    epoch_at: dict[float, int] = field(default_factory=dict)


def read_history(metrics_csv: Path) -> History:
    """Read the rows of epochs and of logged steps; an empty cell is no value."""
    history = History()
    with metrics_csv.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            step = float(row.pop("step"))
            history.epoch_at[step] = int(float(row.pop("epoch")))
            for column, cell in row.items():
                if cell:
                    history.columns[column].append((step, float(cell)))
    return history


def curves_section(metrics_csv: Path, kept: tuple[str, float] | None = None) -> Section | None:
    """Draw every column of train and val, and those of no split (`lr`); None where there is nothing to draw.

    The x axis is the step, so that rows per epoch and per logged step share it; its ticks stand where epochs end, which
    are counted from 1. Columns that end in `_step` are drawn faintly behind the figures of whole epochs. A test figure
    is no curve, nor is a baseline. `kept` is the figure by which the weights were chosen, and its value: where it was
    reached is marked.
    """
    history = read_history(metrics_csv)
    best = None if kept is None else best_step(history, *kept)
    groups: dict[str, list[Series]] = defaultdict(list)
    for column, points in sorted(history.columns.items()):
        split, _, name = column.partition("/")
        if split != "test" and not is_baseline(column):
            group = name.removesuffix(STEP) if split in _TONES else split
            groups[group].append(_series(column, points, tone=_TONES.get(split, len(groups[group])), best=best))
    charts = [_chart(group, groups[group], history.epoch_at, best) for group in sorted(groups, key=_order)]
    if not any(charts):
        return None
    words = Markup("")
    if best is not None and kept is not None:
        words = Markup(
            "<p>The dashed line marks the weights that are kept: the best by {}, of epoch {}. The legends say what was "
            "reached there, and in brackets what came last.</p>"
        ).format(kept[0], history.epoch_at[best] + 1)
    return Section("Curves", words + Markup('<div class="charts">{}</div>').format(Markup("").join(charts)))


def best_step(history: History, metric: str, value: float) -> float | None:
    """Return the first step at which a metric had a value to the bit; None where it never had, or at the end alone."""
    points = history.columns.get(metric, [])
    found = next((step for step, reached in points if reached == value), None)
    return None if len(points) < 2 else found


def _series(column: str, points: list[tuple[float, float]], tone: int, best: float | None) -> Series:
    split, _, name = column.partition("/")
    label = split if split in _TONES else name or split
    faint = name.endswith(STEP)
    x, y = zip(*points, strict=True)
    there = dict(points).get(best) if best is not None and not faint else None
    figure = None
    if there is not None:
        kept, last = number(there), number(y[-1])
        figure = kept if kept == last else f"{kept} ({last})"
    return Series(f"{label} per step" if faint else label, x, y, tone, faint, figure)


def _chart(group: str, series: list[Series], epoch_at: dict[float, int], best: float | None) -> Markup:
    """Draw one metric; what is known per step alone is no background."""
    ticks = _epoch_ticks(epoch_at)
    if all(one.faint for one in series):
        series = [replace(one, faint=False) for one in series]
    return line_chart(
        _TITLES.get(group, group.replace("_", " ").capitalize()),
        series,
        "epoch" if ticks else "step",
        log_y="loss" in group and spans_decades(series),
        x_ticks=ticks,
        x_text=lambda step: f"epoch {epoch_at[step] + 1}, step {step:.0f}",
        marked=best,
    )


def _order(group: str) -> tuple[int, str]:
    """Loss, accuracy, the others by name, and the learning rate last."""
    return (_FIRST.index(group) if group in _FIRST else len(_FIRST) + group.startswith("lr"), group)


def _epoch_ticks(epoch_at: dict[float, int]) -> Ticks | None:
    """The last step of every epoch, every second, fifth, tenth, ...: at most seven; None within a single epoch.

    metrics.csv counts epochs from 0, as Lightning does; people count them from 1.
    """
    ends = {epoch: step for step, epoch in sorted(epoch_at.items())}
    if len(ends) < 2:
        return None
    every = whole_step(len(ends))
    return [(step, str(epoch + 1)) for epoch, step in ends.items() if (epoch + 1) % every == 0]


def whole_step(count: int) -> int:
    """Return 1, 2, 5, 10, ...: of `count` epochs every so many-th is named, so that there are at most seven."""
    steps: list[int] = [n * 10**k for k in range(9) for n in (1, 2, 5)]
    return next(step for step in steps if count <= 7 * step)


def spans_decades(series: Sequence[Series]) -> bool:
    """Return whether the largest value is over a hundred times the smallest, as when a batch is learnt by heart."""
    values = [y for one in series for y in one.y if y == y]
    return bool(values) and 0 < 100 * min(values) < max(values)
