"""What a sweep's job costs beyond its training, beside a script that only imports torch and Lightning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

from benchmarks.measure import ROOT, Quartiles, paired, ratios, table

JOB = (
    *("model=lenet", "data.source.size=32", "data.source.train=64", "data.source.val=16", "data.source.test=16"),
    *("data.batch_size=16", "data.num_workers=0", "trainer=cpu", "trainer.max_epochs=1", "threads=1", "logger=csv"),
)
RATES = ("0.1", "0.05", "0.02", "0.01")
ROUNDS = 3


def main() -> str:
    """Measure and return the section: Markdown."""
    found = paired(
        {
            "job, `sweep.preload=true`": lambda: beyond_training(preload=True),
            "job, `sweep.preload=false`": lambda: beyond_training(preload=False),
            "bare script": bare_script,
        },
        ROUNDS,
    )
    rows = [
        [name, Quartiles.of(values).shown(".1f"), ratios(found, name, "bare script").shown(".2f")]
        for name, values in found.items()
    ]
    return "\n\n".join(
        [
            "## What a job of a sweep costs beyond its training",
            "From its start to its first step, and from its last to the start of the next: the time that each further "
            "job adds to a sweep, less what it trains and tests. The bare script is `import torch, pytorch_lightning`.",
            table(["", "seconds: median (quartiles)", "times the bare script, paired"], rows),
        ]
    )


def beyond_training(*, preload: bool) -> float:
    """Return the seconds that a job adds to a sweep, less those of its fit and test."""
    with tempfile.TemporaryDirectory() as folder:
        one = sweep(RATES[:1], Path(folder, "one"), preload)
        all_of_them = sweep(RATES, Path(folder, "all"), preload)
        records = [json.loads(path.read_text()) for path in Path(folder, "all").glob("*/record.json")]
    training = mean(record["seconds"]["fit"] + record["seconds"].get("test", 0.0) for record in records)
    return (all_of_them - one) / (len(RATES) - 1) - training


def sweep(rates: tuple[str, ...], folder: Path, preload: bool) -> float:
    """Run a sweep, one job after another; returns its seconds."""
    swept = f"optimizer.lr=choice({','.join(rates)})"
    return seconds("-m", "src.train", "-m", *JOB, swept, f"sweep_dir={folder}", f"sweep.preload={str(preload).lower()}")


def bare_script() -> float:
    """Return the seconds of a script that imports torch and Lightning."""
    return seconds("-c", "import torch, pytorch_lightning")


def seconds(*arguments: str) -> float:
    """Run Python with these arguments; returns its seconds."""
    start = time.monotonic()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=os.environ, capture_output=True, check=True)
    return time.monotonic() - start
