"""Five classes of Imagenette learned from 20 images of each: on the features of the other five, and from scratch."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

from tests.prove.promise import Promise, run

SEEDS = (0, 1, 2)
EPOCHS = 30
LENGTHS = (1, 5, 20)
"""What the training from scratch gets, as multiples of the transfer's epochs: the best counts."""


def promises() -> Iterator[Promise]:
    text = "transfer to 5 classes of Imagenette from 100 images, frozen: points above the same network from scratch"
    if "DATA_ROOT" not in os.environ:
        yield Promise(text, "DATA_ROOT is not set", ">= 10", None)
        return
    with tempfile.TemporaryDirectory() as folder:
        root = f"data.root={os.environ['DATA_ROOT']}"
        source = Path(folder, "five")
        run("train", "experiment=imagenette_five", root, "logger=csv", f"run_dir={source}")
        learned = [
            accuracy(
                Path(folder, f"transfer-{seed}"),
                *("experiment=imagenette_transfer", f"model.source={source}", root, f"seed={seed}"),
            )
            for seed in SEEDS
        ]
        scratch = {
            times: mean(
                accuracy(
                    Path(folder, f"few-{times}-{seed}"),
                    *("experiment=imagenette_few", f"trainer.max_epochs={EPOCHS * times}", root, f"seed={seed}"),
                )
                for seed in SEEDS
            )
            for times in LENGTHS
        }
    best = max(scratch.values())
    above = 100 * (mean(learned) - best)
    each = ", ".join(f"{figure:.3f} after {EPOCHS * times} epochs" for times, figure in scratch.items())
    yield Promise(text, f"{above:.1f}: {mean(learned):.3f} against {each}", ">= 10", above >= 10)


def accuracy(run_dir: Path, *overrides: str) -> float:
    run("train", *overrides, "logger=csv", f"run_dir={run_dir}")
    figure: float = json.loads((run_dir / "metrics.json").read_text())["test/accuracy"]
    return figure
