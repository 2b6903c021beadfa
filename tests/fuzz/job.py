"""One random job: a dataset, overrides for it, and every command that a user would type after a training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.fuzz.commands import Ended, command
from tests.fuzz.datasets import Dataset, draw_dataset
from tests.fuzz.overrides import draw_overrides
from tests.fuzz.recompute import disagreements

ON_A_CPU = ("threads=1", "logger=csv", "trainer.accelerator=cpu")


def faults(seed: int, folder: Path) -> list[str]:
    """Return what is wrong about the job of a seed: tracebacks, other exit codes than 0 and 2, other figures."""
    random = np.random.default_rng(seed)
    dataset = draw_dataset(random, folder / "data")
    typed = [*dataset.overrides, *draw_overrides(random, dataset), *ON_A_CPU]
    run = folder / "run"
    trained = command("train", *typed, f"run_dir={run}")
    found = [fault for ended in (trained, *_after(trained, run, dataset, folder)) if (fault := ended.fault)]
    return found or _other_figures(trained, run, dataset, folder)


def _after(trained: Ended, run: Path, dataset: Dataset, folder: Path) -> Iterator[Ended]:
    if trained.code != 0:
        return
    yield command("evaluate", f"run={run}", f"predictions={folder}/test.csv", f"output={folder}/test.json")
    gallery = [f"gallery={folder}/data"] if dataset.task == "identity" else []
    yield command("predict", f"run={run}", f"input={folder}/data", f"output={folder}/predicted.csv", *gallery)


def _other_figures(trained: Ended, run: Path, dataset: Dataset, folder: Path) -> list[str]:
    if trained.code != 0 or dataset.task == "identity" or not (folder / "test.csv").exists():
        return []
    wrong = disagreements(folder / "test.csv", folder / "test.json", task=dataset.task, multilabel=dataset.multilabel)
    tested, again = (json.loads(path.read_text()) for path in (run / "metrics.json", folder / "test.json"))
    moved = [
        f"{key}: {tested[key]} after training, {again[key]} by evaluate"
        for key in sorted(tested.keys() & again.keys())
        if key.startswith("test/") and tested[key] != again[key]
    ]
    return [f"python -m {' '.join(trained.typed)}\n{line}" for line in wrong + moved]
