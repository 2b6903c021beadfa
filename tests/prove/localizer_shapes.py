"""`model=localizer data=shapes` as it is typed finds the drawn objects, and knows when there is none."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.prove.promise import Promise, run

BOUNDS = {"accuracy": 0.95, "mean_iou": 0.75, "nothing_recall": 0.95}


def promises() -> Iterator[Promise]:
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        run("train", "model=localizer", "data=shapes", "logger=csv", f"run_dir={folder}/run")
        seconds = time.monotonic() - start
        figures = json.loads(Path(folder, "run", "metrics.json").read_text())
    for name, bound in BOUNDS.items():
        value = figures[f"test/{name}"]
        yield Promise(f"model=localizer data=shapes: test/{name}", f"{value:.4f}", f">= {bound}", value >= bound)
    yield Promise("model=localizer data=shapes: seconds", f"{seconds:.0f}", "<= 300", seconds <= 300)
