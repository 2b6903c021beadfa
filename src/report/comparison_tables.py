"""The tables of a report over several runs: figures, means over seeds, configurations, and what exactly was run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from src.report.groups import (
    ABSENT,
    SEED,
    Group,
    comparable,
    group_names,
    grouped,
    shown_value,
    varied_settings,
)
from src.report.headline import baselines, headline_metrics
from src.report.numbers import MISSING, duration, figure, number
from src.report.runs import Run
from src.report.tables import Cell, Table

METRICS = 10
"""Columns of figures, the most telling first."""
SETTINGS = 6
"""Columns of settings that vary."""
SIDE_BY_SIDE = 8
"""Runs up to which each has its own column in the table of configurations."""
VALUES = 12
"""Values that are listed of a setting."""

_TIMES = "\N{MULTIPLICATION SIGN}"


def run_tables(runs: Sequence[Run], *, reproducible: bool) -> list[Table]:
    """Return a table of figures for the runs of each data set and problem: a row per run, the best first.

    Baselines, which no run has reached, have a table of their own.
    """
    numbers = {id(run): index for index, run in enumerate(runs, 1)}
    tables = []
    for name, members in comparable(runs).items():
        tables.append(_run_table(name, members, numbers, reproducible))
        if known := baselines(dict.fromkeys(metric for run in members for metric in run.metrics)):
            tables.append(_baseline_table(f"{name}: baselines", members, known))
    return tables


def _baseline_table(title: str, runs: Sequence[Run], metrics: Sequence[str]) -> Table:
    rows = [[Cell(run.label), *(_figure(run.metrics.get(name)) for name in metrics)] for run in runs]
    return Table(title, ["run", *(name.replace("baseline/", "") for name in metrics)], rows)


def _run_table(problem: str, runs: Sequence[Run], numbers: dict[int, int], reproducible: bool) -> Table:
    metrics = _metrics(runs)
    varied = _columns_of(varied_settings(runs))
    several = len({run.network for run in runs}) > 1
    ended = len({run.status for run in runs} - {"finished"}) > 0
    timed = not reproducible and any(run.record.get("seconds") for run in runs)
    rows = []
    for run in sorted(runs, key=lambda run: Group([run]).rank()):
        row = [Cell(run.label, link=f"#run-{numbers[id(run)]}"), *([Cell(run.network)] if several else [])]
        row += [_figure(run.metrics.get(name)) for name in metrics]
        row += [_setting(run.settings.get(key, ABSENT)) for key in varied]
        row += [Cell(run.status, marked=run.status != "finished")] if ended else []
        row += [_time(run)] if timed else []
        rows.append(row)
    columns = ["run", *["network"] * several, *metrics, *varied]
    columns += ["status"] * ended + ["time"] * timed
    return Table(problem, columns, rows, 1 + several if metrics else None, runs[0].mode == "max")


def seed_tables(runs: Sequence[Run]) -> list[Table]:
    """Return a table of means over seeds for the runs of each data set and problem, where there are any.

    Its rows are the configurations that have several seeds.
    """
    each = {name: grouped(members) for name, members in comparable(runs).items()}
    return [_seed_table(name, groups) for name, groups in each.items() if any(len(g.counted) > 1 for g in groups)]


def _seed_table(problem: str, groups: Sequence[Group]) -> Table:
    runs = [run for group in groups for run in group.runs]
    metrics = _metrics(runs)
    rows = [
        [
            Cell(name),
            Cell(str(len(group.counted)), len(group.counted)),
            *(_spread(group, name) for name in metrics),
        ]
        for group, name in zip(groups, group_names(groups, whole=True), strict=True)
        if len(group.counted) > 1
    ]
    return Table(
        problem, ["configuration", "n", *metrics], rows, 2 if metrics else None, runs[0].mode == "max", wraps=True
    )


def difference_table(runs: Sequence[Run]) -> Table | None:
    """Return the settings that differ, None where none does: a column per run, or of many runs the values with counts.

    What is not the commonest value of its row is marked.
    """
    varied = varied_settings(runs)
    if not varied:
        return None
    if len(runs) > SIDE_BY_SIDE:
        rows = [[Cell(key), Cell(_counts(values))] for key, values in varied.items()]
        return Table("Settings that differ", ["setting", "values, and in how many runs"], rows, wraps=True)
    rows = []
    for key, values in varied.items():
        texts = [shown_value(value) for value in values]
        common = Counter(texts).most_common(1)[0][0]
        rows.append([Cell(key), *(Cell(text, marked=text != common) for text in texts)])
    return Table("Settings that differ", ["setting", *(run.label for run in runs)], rows)


def _counts(values: Sequence[Any]) -> str:
    counts = Counter(shown_value(value) for value in values).most_common()
    listed = [f"{text} {_TIMES}{count}" for text, count in counts[:VALUES]]
    return ", ".join(listed) + (f" and {len(counts) - VALUES} more" if len(counts) > VALUES else "")


def provenance_table(runs: Sequence[Run], *, reproducible: bool) -> Table:
    """Return what was run: digests of configuration, code and data, and unless `reproducible` commit and times."""
    columns = ["run", "configuration", "code", "data"]
    columns += [] if reproducible else ["commit", "started", "time"]
    rows = []
    for run in runs:
        row = [Cell(run.label), *(Cell((value or MISSING)[:16], code=bool(value)) for value in run.digests.values())]
        rows.append(row if reproducible else [*row, *_when(run)])
    return Table("Digests", columns, rows)


def _when(run: Run) -> list[Cell]:
    code = run.record.get("code") or {}
    commit = str(code.get("commit") or MISSING)[:12] + (", changed since" if code.get("dirty") else "")
    return [Cell(commit, code=bool(code.get("commit"))), Cell(str(run.record.get("start") or MISSING)), _time(run)]


def _time(run: Run) -> Cell:
    seconds = run.record.get("seconds")
    if not isinstance(seconds, dict) or not seconds:
        return Cell(MISSING)
    total = sum(float(value) for value in seconds.values())
    return Cell(duration(total), total)


def _metrics(runs: Sequence[Run]) -> list[str]:
    """The metric that the weights were chosen by, then the others by their importance."""
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    monitor = runs[0].monitor
    ordered = headline_metrics(names, monitor.partition("/")[2])
    return ([monitor] if monitor in names else []) + [name for name in ordered if name != monitor][: METRICS - 1]


def _columns_of(varied: dict[str, list[Any]]) -> list[str]:
    """The settings that have a column: the seed last; none but the seed where they are too many."""
    keys = [key for key in varied if key != SEED]
    shown = keys if len(keys) <= SETTINGS else []
    return [*shown, *([SEED] if SEED in varied else [])]


def _figure(value: float | None) -> Cell:
    return Cell(MISSING) if value is None else Cell(figure(value), value)


def _setting(value: Any) -> Cell:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Cell(shown_value(value), float(value) if is_number else None)


def _spread(group: Group, metric: str) -> Cell:
    found = group.spread(metric)
    if found is None:
        return Cell(MISSING)
    text, deviation = figure(found.mean), found.deviation
    if deviation is None:
        return Cell(text, found.mean)
    rounded = f"{deviation:.4f}"  # as the mean has them, unless nothing would be left of it
    return Cell(f"{text} ± {rounded if float(rounded) or not deviation else number(deviation)}", found.mean)
