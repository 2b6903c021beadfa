"""What a person sees of a sweep: a table that is drawn again and again on a terminal, a line per change elsewhere."""

from __future__ import annotations

import csv
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

from src.runs.record import read_record
from src.sweeps.job import Job, State, rounded

EVERY = 1.0
"""Seconds between two drawings."""
ROWS = 30
"""Lines of the table: of more jobs, those that ended first are only counted."""
HEAD = 2
"""Lines above the jobs: how many are in which state, and what the columns are."""


class Counted(Protocol):
    """What knows how many jobs there will be."""

    @property
    def total(self) -> int:
        """How many."""


class Table:
    """Job, values, state, epoch, metric, and the time left of those that run."""

    def __init__(self, jobs: Counted) -> None:
        self._jobs = jobs
        self._live = sys.stderr.isatty()
        self._drawn = 0
        self._last = 0.0
        self._numbers: dict[str, int] = {}

    def changed(self, job: Job, state: State) -> None:
        """Say so in a line, where there is no terminal to draw on."""
        number = self._numbers.setdefault(job.name, len(self._numbers) + 1)
        if not self._live:
            why = f": {job.reason()}" if state in ("failed", "interrupted") else ""
            figures = "  ".join(f"{key} {value:.4f}" for key, value in monitored(job).items())
            texts = [
                f"job {number}/{self._jobs.total}",
                state + why,
                _values(job),
                figures if state != "running" else "",
            ]
            print("  ".join(text for text in texts if text), file=sys.stderr, flush=True)

    def show(self, jobs: dict[str, Job], states: dict[str, State], *, final: bool = False) -> None:
        """Draw the table, at most once a second."""
        if not self._live or (time.monotonic() - self._last < EVERY and not final):
            return
        self._last = time.monotonic()
        size = shutil.get_terminal_size((100, 24))
        room = max(0, min(ROWS, size.lines - 2) - HEAD)
        lines = _lines(list(jobs.values()), states, self._numbers, self._jobs.total, room)
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        print(up + "".join(f"\x1b[K{line[: size.columns - 1]}\n" for line in lines) + "\x1b[J", end="", file=sys.stderr)
        sys.stderr.flush()
        self._drawn = len(lines)


def _lines(jobs: Sequence[Job], states: dict[str, State], numbers: dict[str, int], total: int, room: int) -> list[str]:
    """Return the lines of the table, of `room` jobs: of no others are the files read, once a second."""
    count = {state: sum(found == state for found in states.values()) for state in dict.fromkeys(states.values())}
    head = f"{total} jobs: " + ", ".join(f"{number} {state}" for state, number in count.items())
    running = [job for job in jobs if states.get(job.name) == "running"]
    rest = [job for job in jobs if states.get(job.name) not in ("running", None)]
    rows = [("job", "values", "state", "epoch", "metric", "left")]
    for job in [*running, *reversed(rest)][:room]:
        epoch, left = progress(job)
        figures = ", ".join(f"{key} {value:.4f}" for key, value in monitored(job).items())
        shown_left = left if states[job.name] == "running" else ""
        rows.append((str(numbers.get(job.name, "")), _values(job), states[job.name], epoch, figures, shown_left))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return [head, *("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)]


def _values(job: Job) -> str:
    return " ".join(f"{key}={rounded(value)}" for key, value in job.swept.items())


def last_rows(job: Job) -> list[dict[str, str]]:
    """Return the rows of metrics.csv so far; empty where there are none."""
    try:
        with (job.path / "metrics.csv").open() as file:
            return list(csv.DictReader(file))
    except OSError:
        return []


def monitored(job: Job) -> dict[str, float]:
    """Return the monitored figure of a job: the final one, else the last."""
    name = str(job.config["model"]["monitor"])
    figures = job.figures()
    if name in figures:
        return {name: figures[name]}
    found = [row[name] for row in last_rows(job) if row.get(name)]
    return {name: float(found[-1])} if found else {}


def progress(job: Job) -> tuple[str, str]:
    """Return the epochs done of all, and the time left at the speed of this attempt, as text."""
    total: Any = job.config["trainer"].get("max_epochs")
    rows = [row for row in last_rows(job) if row.get("train/loss")]
    if not rows or not isinstance(total, int) or total < 1:
        return "", ""
    done = int(rows[-1]["epoch"]) + 1
    seconds: Any = read_record(job.path).get("seconds", {}).get("fit", 0.0)  # of earlier attempts
    try:
        began = (job.path / "data.json").stat().st_mtime  # written just before the first step of an attempt
        each = (seconds + (job.path / "metrics.csv").stat().st_mtime - began) / done
    except OSError:
        return f"{done}/{total}", ""
    minutes, rest = divmod(max(0, round(each * (total - done))), 60)
    return f"{done}/{total}", f"{minutes}:{rest:02d}"
