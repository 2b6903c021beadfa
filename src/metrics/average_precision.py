"""Average precision, exactly: the area under the steps of precision over recall, as scikit-learn defines it.

In numpy, so that a report, which does without torch, shows the very figure that a run measured.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Scores = NDArray[np.floating[Any]]


def average_precision(truth: Bools, scores: Scores) -> float:
    """Sum precision times the step in recall over the distinct scores, falling, of one class (N,): ties count together.

    Not a number without a true sample, or where a score is none. Infinite scores are the largest and the smallest.
    """
    if not truth.any() or np.isnan(scores).any():
        return float("nan")
    order = np.argsort(-scores)
    falling = scores[order]
    ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(order) - 1)
    hits = np.cumsum(truth[order])[ends]
    return float(np.sum(np.diff(hits, prepend=0) / hits[-1] * hits / (ends + 1)))


def average_precisions(truth: Bools, scores: Scores) -> NDArray[np.float64]:
    """Return the average precision of each class (K,) against the rest, from truth and scores (N, K)."""
    columns = zip(np.ascontiguousarray(truth.T), np.ascontiguousarray(scores.T), strict=True)
    return np.array([average_precision(there, score) for there, score in columns], np.float64)
