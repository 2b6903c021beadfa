"""Which samples are worth a look: the worst answers and the surest, by their places among N evaluated samples.

In numpy, and apart from the report that shows them, so that a run can keep exactly these samples' pictures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.floating]

MAX_MISTAKES = 24
MAX_RIGHT = 12
MAX_WORST = 24
MAX_BEST = 12
MAX_MISTAKEN = 12
THRESHOLD = 0.5
"""Above this probability a class counts as predicted where an image may have several."""


def mistakes(probabilities: Floats, labels: Ints) -> Ints:
    """Return the wrong answers (N, K) with the least probability on the true class (N,): those with most loss."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return _least_true(wrong, probabilities, labels)[:MAX_MISTAKES]


def surest_right(probabilities: Floats, labels: Ints) -> Ints:
    """Return the surest right answer of each class, of the first dozen that have one."""
    predicted = probabilities.argmax(axis=1)
    found = [np.flatnonzero((labels == k) & (predicted == k)) for k in range(probabilities.shape[1])]
    surest = [right[probabilities[right, k].argmax()] for k, right in enumerate(found) if len(right)]
    return np.array(surest[:MAX_RIGHT], np.int64)


def mistakes_of_several(probabilities: Floats, truth: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return the images with the worst single error, and the class of it: found where it is not (N, K), or missed."""
    error = np.abs(np.nan_to_num(probabilities) - truth) * ((probabilities > THRESHOLD) != truth)
    worst = np.argsort(-error.max(axis=1, initial=0), kind="stable")[:MAX_MISTAKES]
    worst = worst[error[worst].any(axis=1)]
    return worst, error[worst].argmax(axis=1)


def boxes_by_fit(iou: Floats, labels: Ints) -> Ints:
    """Return the samples that show an object, the box that fits worst first."""
    objects = np.flatnonzero(labels > 0)
    return objects[np.argsort(iou[objects], kind="stable")]


def wrong_about_nothing(probabilities: Floats, labels: Ints) -> Ints:
    """Return the surest of those wrong answers in which an object is seen where there is none, or missed."""
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero((predicted != labels) & ((predicted == 0) | (labels == 0)))
    return _least_true(wrong, probabilities, labels)[:MAX_MISTAKEN]


def _least_true(places: Ints, probabilities: Floats, labels: Ints) -> Ints:
    return places[np.argsort(probabilities[places, labels[places]], kind="stable")]
