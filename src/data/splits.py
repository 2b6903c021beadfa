"""Which samples are for training, for validation and for testing.

What is published stays as it is; the rest is drawn, class by class, from a seed of its own. Where only train and val
are published, val is `test` and validation is drawn from train: choosing a model never sees the test split.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from src.data.sources.base import Indices, Source
from src.errors import UserError
from src.seeds import generator

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
    seed: int = SPLIT_SEED,
) -> dict[str, Indices]:
    """Return sorted, disjoint `train`, `val` and `test`.

    - a test set is published, or a val set that becomes one: validation is the published val set where both are,
      else `val_fraction` of train; nothing is published: `test_fraction` of all is for testing first.
    - `fold` of `folds`: the held-out fold is `val` where a test set is published (train and published val together are
      cut into folds), else it is `test` and `val` is `val_fraction` of the rest.
    - `val_fraction` 0 leaves `val` empty unless one is published; `test_fraction` 0 leaves `test` empty.
    - `limit` keeps at most so many of each split, every class by its share; `train_per_class` so many of each class of
      train.

    Raises UserError where a class has too few images, or `fold` is none of the folds.
    """
    labels = source.labels()
    rest, val, test = published_splits(source)
    if fold is not None:
        if not 0 <= fold < folds:
            raise UserError(f"data.fold={fold}: data.folds={folds} has the folds 0 to {folds - 1}")
        pool = np.sort(np.concatenate([rest, val]))
        held_out = _held_out(pool, labels, folds, fold, seed, source.classes)
        rest = np.setdiff1d(pool, held_out)
        val, test = (held_out, test) if len(test) else (val[:0], held_out)
    elif not len(test):
        test = _draw(rest, labels, test_fraction, seed, "test", source.classes)
        rest = np.setdiff1d(rest, test)
    if not len(val):
        val = _draw(rest, labels, val_fraction, seed, "val", source.classes)
        rest = np.setdiff1d(rest, val)
    if train_per_class is not None:
        rest = _few(rest, labels, train_per_class, seed, source.classes)
    splits = {"train": rest, "val": val, "test": test}
    return {name: np.sort(_limited(indices, labels, limit, seed, name)) for name, indices in splits.items()}


def published_splits(source: Source) -> tuple[Indices, Indices, Indices]:
    """Return train, val and test as published, empty where not; a val set without a test set is the test set."""
    splits, none = source.splits(), np.empty(0, np.int64)
    train = splits.get("train", splits.get("all", none))
    if not len(train):
        raise UserError(f"no training images: only {' and '.join(splits) or 'nothing'} is there")
    if "test" in splits:
        return train, splits.get("val", none), splits["test"]
    return train, none, splits.get("val", none)


def _draw(
    indices: Indices, labels: NDArray[np.int64], fraction: float, seed: int, name: str, classes: Sequence[str]
) -> Indices:
    """Return `fraction` of `indices`, every class by its share, at least one of each and never all of one."""
    if fraction == 0:
        return indices[:0]
    kinds, counts = np.unique(labels[indices], return_counts=True)
    for kind, count in zip(kinds, counts, strict=True):
        if count < 2 and kind >= 0:
            raise UserError(
                f'the class "{classes[kind]}" has only {count} image left to divide between train and {name}: '
                f"add images, or type data.{name}_fraction=0"
            )
    taken = np.clip(_shares(counts, round(fraction * len(indices))), kinds >= 0, counts - 1)
    return _pick(indices, labels, dict(zip(kinds.tolist(), taken.tolist(), strict=True)), seed, name)


def _held_out(
    indices: Indices, labels: NDArray[np.int64], folds: int, fold: int, seed: int, classes: Sequence[str]
) -> Indices:
    """Return one of `folds` parts: each class is shuffled and dealt out, going on where the class before stopped."""
    parts, dealt = [], 0
    for kind in np.unique(labels[indices]):
        members = indices[labels[indices] == kind]
        if len(members) < folds and kind >= 0:
            raise UserError(
                f'the class "{classes[kind]}" has only {len(members)} images for data.folds={folds}: '
                "add images, or use fewer folds"
            )
        shuffled = generator(seed, "fold", int(kind)).permutation(members)
        parts.append(shuffled[(np.arange(len(members)) + dealt) % folds == fold])
        dealt += len(members)
    return np.sort(np.concatenate(parts))


def _limited(indices: Indices, labels: NDArray[np.int64], limit: int | None, seed: int, name: str) -> Indices:
    if limit is None or len(indices) <= limit:
        return indices
    kinds, counts = np.unique(labels[indices], return_counts=True)
    taken = dict(zip(kinds.tolist(), _shares(counts, limit).tolist(), strict=True))
    return _pick(indices, labels, taken, seed, f"limit {name}")


def _few(indices: Indices, labels: NDArray[np.int64], count: int, seed: int, classes: Sequence[str]) -> Indices:
    """Return `count` samples of each class."""
    kinds, counts = np.unique(labels[indices], return_counts=True)
    for kind, there in zip(kinds, counts, strict=True):
        if there < count and kind >= 0:
            raise UserError(
                f'data.train_per_class={count}: the class "{classes[kind]}" has {there} images for training'
            )
    return _pick(indices, labels, dict.fromkeys(kinds.tolist(), count), seed, "per class")


def _shares(counts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Divide `total` in proportion to `counts`, whole numbers by the largest remainders (Hamilton's method)."""
    shares, remainders = np.divmod(counts * total, counts.sum())
    largest_first = np.argsort(-remainders, kind="stable")
    shares[largest_first[: total - shares.sum()]] += 1
    return np.asarray(shares, np.int64)


def _pick(indices: Indices, labels: NDArray[np.int64], taken: dict[int, int], seed: int, name: str) -> Indices:
    """Return `taken[class]` samples of each class; a class's own stream keeps the others from shifting it."""
    parts = [
        generator(seed, name, kind).permutation(indices[labels[indices] == kind])[:count]
        for kind, count in taken.items()
    ]
    return np.sort(np.concatenate(parts))
