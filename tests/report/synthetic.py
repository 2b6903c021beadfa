"""Run directories without a training: as many as a page over hundreds of runs needs, with curves as trainings have."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

EPOCHS = 60
METRICS = ("loss", "accuracy", "balanced_accuracy", "top5_accuracy", "f1")
RATES = (0.1, 0.05, 0.02, 0.01, 0.005)


def write_runs(folder: Path, count: int, epochs: int = EPOCHS) -> list[Path]:
    """Write `count` finished runs: learning rates times seeds, a row per epoch and four logged steps between."""
    return [write_run(folder / f"run-{number:03d}", number, epochs) for number in range(count)]


def write_run(path: Path, number: int, epochs: int = EPOCHS) -> Path:
    rate, seed = RATES[number % len(RATES)], number // len(RATES)
    random = np.random.default_rng(number)
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(
        f"seed: {seed}\nrun_dir: {path}\nname: null\ntags: []\n"
        "data:\n  root: /somewhere/else\n  image_size: 64\n  source:\n    _target_: src.data.sources.shapes.Shapes\n"
        "network:\n  _target_: src.networks.resnet.resnet\n  depth: 18\n"
        "model:\n  _target_: src.models.classifier.Classifier\n  monitor: val/accuracy\n  monitor_mode: max\n"
        f"optimizer:\n  _target_: torch.optim.SGD\n  lr: {rate}\n"
    )
    (path / "compose.yaml").write_text(
        f"overrides: [model=resnet, optimizer.lr={rate}, seed={seed}, 'run_dir={path}']\n"
        "choices: {model: resnet, data: shapes}\nfolders: []\n"
    )
    columns = [f"{split}/{name}" for split in ("train", "val") for name in METRICS]
    lines = ["step,epoch,train/loss_step,lr," + ",".join(columns)]
    final: dict[str, float] = {}
    for epoch in range(epochs):
        for part in range(1, 5):
            step = epoch * 100 + 20 * part
            lines.append(
                f"{step},{epoch},{2 * math.exp(-step / 2000) + random.normal(0, 0.1)},{rate}" + "," * len(columns)
            )
        risen = 1 - math.exp(-(epoch + 1) * rate * 4 / 10)
        values = {name: abs((1 - risen if "loss" in name else risen) + random.normal(0, 0.01)) for name in columns}
        lines.append(f"{epoch * 100 + 100},{epoch},,{rate}," + ",".join(str(values[name]) for name in columns))
        final = values
    (path / "metrics.csv").write_text("\n".join(lines) + "\n")
    test = {f"test/{name}": final[f"val/{name}"] for name in METRICS}
    (path / "metrics.json").write_text(json.dumps(final | test))
    (path / "data.json").write_text(json.dumps({"digest": "d" * 32}))
    (path / "record.json").write_text(
        json.dumps(
            {"status": "finished", "start": "2026-01-02T03:04:05+00:00", "seconds": {"fit": 60.0 + number},
             "code": {"commit": "abcdef0123456789", "dirty": False, "digest": "c" * 16}, "data_digest": "d" * 32}
        )
    )  # fmt: skip
    (path / "report.html").write_text("<!doctype html><title>one run</title>")
    return path
