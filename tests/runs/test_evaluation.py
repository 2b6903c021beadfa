"""The rows that evaluation writes of a split agree with its figures."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from src.runs import evaluation
from src.runs.session import reopen
from tests.training import train


def rows_and_evaluation(tmp_path, *overrides: str):
    run_dir = train(tmp_path / "run", "trainer.max_epochs=1", *overrides)
    run, config = reopen(str(run_dir), ())
    found = evaluation.evaluate(config, run, split="test", checkpoint="best", output=None)
    found.write_predictions(tmp_path / "predictions.csv")
    return rows_of(tmp_path / "predictions.csv"), found


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("model", [("model=lenet",), ("model=localizer", "network=lenet", "augment=none")])
def test_the_share_of_right_classes_is_the_accuracy(tmp_path, model):
    rows, found = rows_and_evaluation(tmp_path, *model)
    right = sum(row["label"] == row["class"] for row in rows)
    assert len(rows) == 50
    assert right / len(rows) == pytest.approx(found.figures["test/accuracy"], abs=1e-6)


def test_boxes_of_the_rows_have_the_mean_overlap_of_the_figures(tmp_path):
    rows, found = rows_and_evaluation(tmp_path, "model=localizer", "network=lenet", "augment=none")
    overlaps = [overlap(row) for row in rows if row["label"] != "nothing"]
    assert sum(overlaps) / len(overlaps) == pytest.approx(found.figures["test/mean_iou"], abs=1e-5)


def test_a_siamese_writes_embeddings_of_length_one(tmp_path):
    small = ("model=siamese", "network=conv4", "data.source.test=90", "data.source.val=90")
    named, found = rows_and_evaluation(tmp_path, *small)
    found.write_embeddings(tmp_path / "embeddings.csv")
    rows = rows_of(tmp_path / "embeddings.csv")
    assert [row["identity"] for row in rows] == [row["identity"] for row in named]
    assert all(sum(float(row[f"e{i}"]) ** 2 for i in range(64)) == pytest.approx(1, abs=1e-5) for row in rows)


def overlap(row: dict[str, str]) -> float:
    """Return intersection over union of the two boxes of a row."""
    found, true = ([float(row[f"{prefix}{corner}"]) for corner in ("x0", "y0", "x1", "y1")] for prefix in ("", "true_"))
    sides = [max(0.0, min(found[i + 2], true[i + 2]) - max(found[i], true[i])) for i in (0, 1)]
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (found, true)]
    common = sides[0] * sides[1]
    return common / (sum(areas) - common)
