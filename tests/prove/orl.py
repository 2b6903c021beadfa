"""Real faces: strangers are told apart after learning from 25 people, in four folds of consecutive people."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

from tests.prove.promise import Promise, run

FOLDS = range(4)


def promises() -> Iterator[Promise]:
    text = "experiment=orl_siamese: test/roc_auc, mean of 4 folds"
    root = os.environ.get("DATA_ROOT")
    if root is None:
        yield Promise(text, "DATA_ROOT is not set", ">= 0.95", None)
        return
    figures: list[dict[str, float]] = []
    seconds: list[float] = []
    compared: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for fold in FOLDS:
            data = (f"data.root={root}", f"data.fold={fold}", "logger=csv")
            start = time.monotonic()
            run("train", "experiment=orl_siamese", *data, f"run_dir={folder}/siamese-{fold}")
            seconds.append(time.monotonic() - start)
            figures.append(read(folder, f"siamese-{fold}"))
            source = f"model.source={folder}/siamese-{fold}"
            run("train", "experiment=orl_comparison", source, *data, f"run_dir={folder}/comparison-{fold}")
            compared.append(read(folder, f"comparison-{fold}"))
    area = mean(one["test/roc_auc"] for one in figures)
    above = area - mean(one["test/baseline/pixel_roc_auc"] for one in figures)
    accuracy = mean(one["test/verification_accuracy"] for one in figures)
    yield Promise(text, f"{area:.4f}", ">= 0.95", area >= 0.95)
    yield Promise("orl_siamese: roc_auc above the cosine of the raw pixels", f"{above:.4f}", ">= 0.03", above >= 0.03)
    yield Promise("orl_siamese: test/verification_accuracy", f"{accuracy:.4f}", ">= 0.88", accuracy >= 0.88)
    yield Promise("orl_siamese: seconds of the slowest fold", f"{max(seconds):.0f}", "<= 600", max(seconds) <= 600)
    learned = mean(one["test/roc_auc"] for one in compared)
    yield Promise("experiment=orl_comparison: test/roc_auc", f"{learned:.4f}", ">= 0.9", learned >= 0.9)


def read(folder: str, name: str) -> dict[str, float]:
    figures: dict[str, float] = json.loads(Path(folder, name, "metrics.json").read_text())
    return figures
