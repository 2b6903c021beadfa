"""Which samples are for training, for validation and for testing.

What is published stays as it is; the rest is drawn, class by class, from a seed of its own. Where only train and val
are published, val is `test` and validation is drawn from train: choosing a model never sees the test split.
"""

from __future__ import annotations

import numpy as np

from src.data.by_class import ByClass, OneLabel, RareClass, SeveralLabels
from src.data.sources.base import Indices, Source
from src.errors import UserError

SPLIT_SEED = 0
"""Not the run's seed: runs with several seeds must be measured on the same images."""


def make_splits(
    source: Source,
    *,
    val_fraction: float,
    test_fraction: float,
    folds: int,
    fold: int | None,
    limit: int | None,
    train_per_class: int | None = None,
    on_rare_class: RareClass = "stop",
    seed: int = SPLIT_SEED,
) -> dict[str, Indices]:
    """Return sorted, disjoint `train`, `val` and `test`.

    - a test set is published, or a val set that becomes one: validation is the published val set where both are,
      else `val_fraction` of train; nothing is published: `test_fraction` of all is for testing first.
    - `fold` of `folds`: the held-out fold is `val` where a test set is published (train and published val together are
      cut into folds), else it is `test` and `val` is `val_fraction` of the rest.
    - `val_fraction` 0 leaves `val` empty unless one is published; `test_fraction` 0 leaves `test` empty.
    - `limit` keeps at most so many of each split, every class by its share; `train_per_class` so many of each class of
      train, at least so many where images have several.
    - a class with too few images to be on both sides stays in train where `on_rare_class` is `train`, and where there
      is no test split.

    Raises UserError where a class has too few images, or `fold` is none of the folds.
    """
    classes: ByClass = (SeveralLabels if source.multilabel else OneLabel)(source, seed, on_rare_class)
    rest, val, test = published_splits(source)
    if fold is not None:
        if not 0 <= fold < folds:
            raise UserError(f"data.fold={fold}: data.folds={folds} has the folds 0 to {folds - 1}")
        pool = np.sort(np.concatenate([rest, val]))
        held_out = classes.held_out(pool, folds, fold)
        rest = np.setdiff1d(pool, held_out)
        val, test = (held_out, test) if len(test) else (val[:0], held_out)
    elif not len(test):
        test = classes.drawn(rest, test_fraction, "test")
        rest = np.setdiff1d(rest, test)
    if not len(val):
        val = classes.drawn(rest, val_fraction, "val", keep_rare=not len(test))
        rest = np.setdiff1d(rest, val)
    if train_per_class is not None:
        rest = classes.few(rest, train_per_class)
    splits = {"train": rest, "val": val, "test": test}
    return {name: np.sort(classes.limited(indices, limit, name)) for name, indices in splits.items()}


def published_splits(source: Source) -> tuple[Indices, Indices, Indices]:
    """Return train, val and test as published, empty where not; a val set without a test set is the test set."""
    splits, none = source.splits(), np.empty(0, np.int64)
    train = splits.get("train", splits.get("all", none))
    if not len(train):
        raise UserError(f"no training images: only {' and '.join(splits) or 'nothing'} is there")
    if "test" in splits:
        return train, splits.get("val", none), splits["test"]
    return train, none, splits.get("val", none)
