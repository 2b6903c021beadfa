"""`python -m src.train` as it is typed learns the drawn shapes."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.prove.promise import Promise, run


def promises() -> Iterator[Promise]:
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        run("train", f"run_dir={folder}/run", env={"WANDB_MODE": "offline"})
        seconds = time.monotonic() - start
        accuracy = json.loads(Path(folder, "run", "metrics.json").read_text())["test/accuracy"]
    yield Promise("python -m src.train: test/accuracy on shapes", f"{accuracy:.4f}", ">= 0.95", accuracy >= 0.95)
    yield Promise("python -m src.train: seconds", f"{seconds:.0f}", "<= 240", seconds <= 240)
