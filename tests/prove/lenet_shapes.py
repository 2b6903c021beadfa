"""LeNet-5 learns the drawn shapes at 32 px, in less than two minutes on two cores."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.prove.promise import Promise, run

SEEDS = (0, 1, 2)


def promises() -> Iterator[Promise]:
    for seed in SEEDS:
        typed = ("experiment=lenet_shapes", f"seed={seed}")
        with tempfile.TemporaryDirectory() as folder:
            start = time.monotonic()
            run("train", *typed, "logger=csv", f"run_dir={folder}/run")
            seconds = time.monotonic() - start
            accuracy = json.loads(Path(folder, "run", "metrics.json").read_text())["test/accuracy"]
        name = f"python -m src.train {' '.join(typed)}"
        yield Promise(f"{name}: test/accuracy", f"{accuracy:.4f}", ">= 0.95", accuracy >= 0.95)
        yield Promise(f"{name}: seconds", f"{seconds:.0f}", "<= 120", seconds <= 120)
