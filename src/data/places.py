"""A place for every sample, drawn once: which samples lie near each other, and are near each other in a training epoch.

A folder's samples are sorted by class, and a window of neighbours would be all of one class. Their places are shuffled.
A stream lays training samples out by place, and `data.shuffle_window` cuts its windows by place, whatever the medium:
what is needed at one time lies in few chunks. Of any part of the samples (another fold, fewer of each class) the order
is the same, so it still lies together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from src.data.splits import SPLIT_SEED
from src.seeds import generator


def places(count: int) -> NDArray[np.int64]:
    """Return the place (N,) of each sample of a source of so many; not a matter of the run's seed."""
    return np.asarray(generator(SPLIT_SEED, "places").permutation(count), np.int64)
