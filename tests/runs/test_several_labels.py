"""Several labels from the command's recipe to the file of predictions."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics as reference

from src.runs import session
from src.runs.evaluation import evaluate
from tests.training import killed, resume, train

NAMES = tuple(f"c{number}" for number in range(6))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    root = tmp_path_factory.mktemp("table")
    random = np.random.default_rng(0)
    sets = random.random((90, 6)) < np.geomspace(0.9, 0.05, 6)
    with (root / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", *NAMES])
        for number, row in enumerate(sets.astype(int)):
            Image.fromarray(random.integers(0, 255, (28, 28, 3), np.uint8)).save(root / f"{number}.png")
            rows.writerow([f"{number}.png", *row])
    return (
        "model=lenet", "data=csv", f"data.root={root}", f"data.source.label_column=[{','.join(NAMES)}]",
        "data.image_size=28", "data.batch_size=8", "augment=none",
    )  # fmt: skip


def without_shapes(monkeypatch):
    from tests import training

    monkeypatch.setattr(training, "TINY", tuple(one for one in training.TINY if not one.startswith("data.source.")))


def test_the_file_of_predictions_gives_the_figures_of_the_run(table, tmp_path, monkeypatch):
    without_shapes(monkeypatch)
    run_dir = train(tmp_path / "run", *table)
    run, config = session.reopen(str(run_dir), ())
    found = evaluate(config, run, split="test", checkpoint="best", output=None)
    found.write_predictions(tmp_path / "predictions.csv")
    rows = list(csv.DictReader((tmp_path / "predictions.csv").open()))
    scores = np.array([[float(row[f"p({name})"]) for name in NAMES] for row in rows])
    truth = np.array([[name in row["label"].split("|") for name in NAMES] for row in rows])
    there = truth.any(axis=0)
    figures = json.loads((run_dir / "metrics.json").read_text())
    each = [reference.average_precision_score(truth[:, k], scores[:, k]) for k in np.flatnonzero(there)]
    assert figures["test/average_precision"] == pytest.approx(np.mean(each), abs=1e-6)
    assert figures["test/accuracy"] == pytest.approx(((scores > 0.5) == truth).mean(), abs=1e-6)
    f1 = reference.f1_score(truth[:, there], scores[:, there] > 0.5, average="macro", zero_division=0)
    assert figures["test/f1"] == pytest.approx(f1, abs=1e-6)


def test_average_precision_of_train_survives_a_kill_inside_an_epoch(table, tmp_path, monkeypatch):
    without_shapes(monkeypatch)
    whole = train(tmp_path / "whole", *table)
    killed(monkeypatch, tmp_path / "killed", 5, *table)
    resume(tmp_path / "killed")
    assert (tmp_path / "killed" / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
