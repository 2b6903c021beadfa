"""The figures of a split computed again by scikit-learn, from what `evaluate predictions=` wrote."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

Row = Mapping[str, str]
Figure = float | tuple[float, float] | None
"""A number, or the two between which it lies where distances are equal but for their rounding; None: there is none."""
TRUE_BOX, BOX = ("true_x0", "true_y0", "true_x1", "true_y1"), ("x0", "y0", "x1", "y1")
PRECISION = 2e-6
"""Half of the sixth digit of a probability may move a figure that is a mean of them; counts are exact."""
EQUAL = 1e-5
"""Distances of embeddings of length one that differ by less may be rounded into another order."""


def disagreements(predictions: Path, evaluation: Path, *, task: str, multilabel: bool) -> list[str]:
    """Return each figure of an evaluation that scikit-learn, or numpy for boxes, finds to be another.

    `predictions` has a row per sample; of identities that is its embedding.
    """
    with predictions.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    figures = json.loads(evaluation.read_text())
    expected = _expected(rows, task, multilabel)
    found = {name: figures.get(f"test/{name}") for name in expected}
    return [
        f"test/{name}: {found[name]} where {value} is right"
        for name, value in expected.items()
        if not _equal(found[name], value)
    ]


def _expected(rows: Sequence[Row], task: str, multilabel: bool) -> Mapping[str, Figure]:
    if task == "identity":
        return of_embeddings(rows)
    return of_boxes(rows) if task == "box" else of_several(rows) if multilabel else of_one(rows)


def of_one(rows: Sequence[Row]) -> dict[str, Figure]:
    """Return the figures of one label for each image; None where none can be said."""
    truth, answer = [row["label"] for row in rows], [row["class"] for row in rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "accuracy": metrics.accuracy_score(truth, answer),
            "balanced_accuracy": metrics.balanced_accuracy_score(truth, answer),
            "f1": metrics.f1_score(truth, answer, average="macro", labels=sorted(set(truth))),
        }


def of_several(rows: Sequence[Row]) -> dict[str, Figure]:
    """Return the figures of several labels for each image, each the mean over the classes that occur."""
    classes, scores = _scores(rows)
    truth = np.array([[name in row["label"].split("|") for name in classes] for row in rows])
    occur = truth.any(axis=0)
    if not occur.any():
        return {"accuracy": float((truth == (scores > 0.5)).mean()), "f1": None, "average_precision": None}
    each = list(zip(truth[:, occur].T, scores[:, occur].T, strict=True))
    return {
        "accuracy": float((truth == (scores > 0.5)).mean()),
        "f1": float(np.mean([metrics.f1_score(there, score > 0.5, zero_division=0) for there, score in each])),
        "average_precision": float(np.mean([metrics.average_precision_score(there, score) for there, score in each])),
    }


def of_boxes(rows: Sequence[Row]) -> dict[str, Figure]:
    """Return the figures of one object or `nothing` for each image."""
    right = np.array([row["label"] == row["class"] for row in rows])
    empty = np.array([row["label"] == "nothing" for row in rows])
    overlap = np.array([_iou(*([float(row[key]) for key in keys] for keys in (BOX, TRUE_BOX))) for row in rows])
    localized = right & (empty | (overlap >= 0.5))
    return {
        "accuracy": float(right.mean()),
        "localization_accuracy": float(localized.mean()) if (~empty).any() else None,
        "mean_iou": float(overlap[~empty].mean()) if (~empty).any() else None,
        "nothing_recall": float(right[empty].mean()) if empty.any() else None,
    }


def of_embeddings(rows: Sequence[Row]) -> dict[str, Figure]:
    """Return the figures of all pairs of images, as squared distances of embeddings of length one order them."""
    who = np.array([row["identity"] for row in rows])
    vectors = np.array([[float(value) for key, value in row.items() if key[0] == "e"] for row in rows])
    distance = ((vectors[:, None] - vectors[None]) ** 2).sum(-1)
    upper = np.triu_indices(len(who), 1)
    same, apart = (who[:, None] == who)[upper], distance[upper]
    if not 0 < same.sum() < len(same):
        return {}
    moved = [apart + np.where(same, shift, 0.0) for shift in (EQUAL, -EQUAL)]
    low, high = (float(metrics.roc_auc_score(same, -each)) for each in moved)
    np.fill_diagonal(distance, np.inf)
    own = np.where(who[:, None] == who, distance, np.inf).min(1)
    other = np.where(who[:, None] == who, np.inf, distance).min(1)
    asked = np.isfinite(own)
    nearest = tuple(float((own[asked] + shift < other[asked]).mean()) for shift in (EQUAL, -EQUAL))
    return {"roc_auc": (low, high), "recall_at_1": (nearest[0], nearest[1])}


def _scores(rows: Sequence[Row]) -> tuple[list[str], NDArray[np.float64]]:
    classes = [key[2:-1] for key in rows[0] if key.startswith("p(")]
    return classes, np.array([[float(row[f"p({name})"]) for name in classes] for row in rows])


def _iou(box: Sequence[float], other: Sequence[float]) -> float:
    x0, y0 = max(box[0], other[0]), max(box[1], other[1])
    x1, y1 = min(box[2], other[2]), min(box[3], other[3])
    common = max(0.0, x1 - x0) * max(0.0, y1 - y0)
    union = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)) - common
    return common / union if union > 0 else 0.0


def _equal(found: float | None, expected: Figure) -> bool:
    if found is None or expected is None:
        return found is None and expected is None
    low, high = expected if isinstance(expected, tuple) else (expected, expected)
    return low - PRECISION <= found <= high + PRECISION
