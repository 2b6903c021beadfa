"""What a sweep's job costs beyond its training, beside a script that only imports torch and Lightning."""

from __future__ import annotations

import datetime
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks.measure import ROOT, Quartiles, paired, ratios, table

JOB = (
    *("model=lenet", "data.source.size=32", "data.source.train=64", "data.source.val=16", "data.source.test=16"),
    *("data.batch_size=16", "data.num_workers=0", "trainer=cpu", "trainer.max_epochs=1", "threads=1", "logger=csv"),
)
RATES = ("0.1", "0.05", "0.02", "0.01")
ROUNDS = 3


@dataclass(frozen=True)
class Cost:
    """Seconds of a job beyond its training."""

    to_first_step: float
    """From its start, which in a sweep that preloads is a copy of its process."""
    to_next_start: float
    """From its final figures: the report of the run, the end of the process, the start of the next."""


def main() -> str:
    """Measure and return the section: Markdown."""
    costs: dict[bool, list[Cost]] = {True: [], False: []}

    def measured(preload: bool) -> float:
        cost = beyond_training(preload=preload)
        costs[preload].append(cost)
        return cost.to_first_step + cost.to_next_start

    names = {True: "job, `sweep.preload=true`", False: "job, `sweep.preload=false`"}
    found = paired(
        {**{name: lambda kind=kind: measured(kind) for kind, name in names.items()}, "bare script": bare_script}, ROUNDS
    )
    rows = [
        [
            name,
            Quartiles.of(values).shown(".1f"),
            *halves(costs, name, names),
            ratios(found, name, "bare script").shown(".2f"),
        ]
        for name, values in found.items()
    ]
    columns = [
        "",
        "seconds: median (quartiles)",
        "start to first step",
        "figures to next start",
        "times the bare script, paired",
    ]
    return "\n\n".join(
        [
            "## What a job of a sweep costs beyond its training",
            "What each further job of a sweep takes besides training and testing: from its start to its first step, "
            "and from its final figures, over the page of the run, to the start of the next. The bare script is "
            "`import torch, pytorch_lightning`.",
            table(columns, rows),
        ]
    )


def halves(costs: Mapping[bool, Sequence[Cost]], name: str, names: Mapping[bool, str]) -> list[str]:
    """Return the two parts of a job's cost as text; nothing for the bare script."""
    for kind, known in names.items():
        if known == name:
            starts, ends = zip(
                *((cost.to_first_step, cost.to_next_start) for cost in costs[kind][1:]), strict=True
            )  # warmed up
            return [Quartiles.of(starts).shown(".1f"), Quartiles.of(ends).shown(".1f")]
    return ["", ""]


def beyond_training(*, preload: bool) -> Cost:
    """Run a sweep, one job after another, and return the means over its jobs, from what they left on disk.

    The first one's start is left out: before it the sweep imports what its copies share.
    """
    with tempfile.TemporaryDirectory() as folder:
        swept = f"optimizer.lr=choice({','.join(RATES)})"
        typed = (*JOB, swept, f"sweep_dir={folder}", f"sweep.preload={str(preload).lower()}")
        seconds("-m", "src.train", "-m", *typed)
        jobs = sorted((began(path.parent), path.parent) for path in Path(folder).glob("*/job.json"))
        # data.json is written just before the first step, metrics.json when the last figure is known
        starts = [(run / "data.json").stat().st_mtime - start for start, run in jobs[1:]]
        ends = [
            following - (run / "metrics.json").stat().st_mtime for (_, run), (following, _) in itertools.pairwise(jobs)
        ]
    return Cost(mean(starts), mean(ends))


def began(run_dir: Path) -> float:
    """Return when a job was started, in seconds."""
    (attempt,) = json.loads((run_dir / "job.json").read_text())["attempts"]
    return datetime.datetime.fromisoformat(attempt["start"]).timestamp()


def bare_script() -> float:
    """Return the seconds of a script that imports torch and Lightning."""
    return seconds("-c", "import torch, pytorch_lightning")


def seconds(*arguments: str) -> float:
    """Run Python with these arguments; returns its seconds."""
    start = time.monotonic()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=os.environ, capture_output=True, check=True)
    return time.monotonic() - start
