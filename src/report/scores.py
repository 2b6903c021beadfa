"""How well each class is told from the rest, in numpy: the figures behind a classifier's report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.metrics.average_precision import average_precisions

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class ClassScores:
    """One value per class (K,). Not a number where it is undefined: a class without samples has no recall.

    A class that has samples and is never predicted has precision 0, as in scikit-learn.
    """

    precision: Floats
    recall: Floats
    f1: Floats
    average_precision: Floats
    support: Ints


def class_scores(truth: Bools, predicted: Bools, probabilities: Probabilities) -> ClassScores:
    """Measure each class against the rest from (N, K) truth, decisions and probabilities."""
    support, chosen, hits = truth.sum(axis=0), predicted.sum(axis=0), (truth & predicted).sum(axis=0)
    return ClassScores(
        precision=np.where(chosen + support, hits / np.maximum(chosen, 1), np.nan),
        recall=np.where(support, hits / np.maximum(support, 1), np.nan),
        f1=np.where(chosen + support, 2 * hits / np.maximum(chosen + support, 1), np.nan),
        average_precision=average_precisions(truth, probabilities),
        support=support,
    )


def confusion_matrix(labels: Ints, predicted: Ints, num_classes: int) -> Ints:
    """Count samples (K, K) by true class (row) and predicted class (column)."""
    flat = labels.astype(np.int64) * num_classes + predicted
    return np.bincount(flat, minlength=num_classes**2).reshape(num_classes, num_classes)
