"""Splits for telling identities apart: train, val and test have different people, so that strangers are measured."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from src.data.by_class import RareClass
from src.data.sources.base import Indices, Pairs, Source
from src.data.splits import SPLIT_SEED, published_splits
from src.errors import UserError
from src.seeds import generator

log = logging.getLogger(__name__)

FEWEST = 2
"""Identities in a split: with one there is nobody to be told from."""

People = NDArray[np.int64]


def make_identity_splits(
    source: Source,
    *,
    val_fraction: float,
    test_fraction: float,
    folds: int,
    fold: int | None,
    limit: int | None,
    train_per_class: int | None = None,
    on_rare_class: RareClass = "stop",
    strangers: bool = False,
    seed: int = SPLIT_SEED,
) -> dict[str, Indices]:
    """Return sorted `train`, `val` and `test` without a common identity; samples of nobody (-1) are left out.

    - A file of pairs says what is tested, where the source has one: the images that the pairs of one of its folds name
      (`fold`, by default the last: nine of ten train); of pairs without folds, and where a model that was trained on
      `strangers` is measured without a `fold`, those that any pair names. Who is on them is in no other split.
    - Else a published test set of people who are in no other set stays as it is; then `fold` of `folds` runs of
      consecutive people, in the source's order, is `val`.
    - Else that fold is `test`; without a fold it is `test_fraction` of the people, drawn.
    - Without a fold, a published val set of people who are in no other set stays; else `val` is `val_fraction` of the
      people who remain, drawn.
    - Where published sets share people, as those of `shapes` do, a split has the images of its own published set, of
      the people who belong to it.
    - `limit` keeps people in a drawn order while there are at most so many images; each gives at most half of `limit`,
      so that there are two. Of each of train's people there are at most `train_per_class` images.

    Raises UserError where `fold` is none of the folds, or `on_rare_class` is to keep classes: people are not divided.
    """
    if on_rare_class != "stop":
        raise UserError(
            f"data.on_rare_class={on_rare_class} is for splits that divide each class; this model tells people apart, "
            "and whole people go to a split: leave it out"
        )
    pairs = source.pairs()
    if pairs is None and fold is not None and not 0 <= fold < folds:
        raise UserError(f"data.fold={fold}: data.folds={folds} has the folds 0 to {folds - 1}")
    identities = source.identities()
    train, val, test = (part[identities[part] >= 0] for part in published_splits(source))
    whole = np.sort(np.concatenate([train, val, test]))
    everyone = np.unique(identities[whole])
    shared = np.intersect1d(identities[test], identities[np.union1d(train, val)])
    published = len(test) > 0 and len(shared) == 0
    pools = {"train": whole, "val": whole, "test": whole}
    if pairs is not None:
        published = False
        pools["test"] = _paired(pairs, fold, strangers)
        tested = np.unique(identities[pools["test"]])
    elif published:
        tested = np.unique(identities[test])
    elif fold is not None:
        tested = np.array_split(everyone, folds)[fold]
    else:
        tested = _drawn(everyone, test_fraction, seed, "test")
    if len(shared) and pairs is None:
        pools = {"train": train, "val": val if len(val) else train, "test": test}
    rest = np.setdiff1d(everyone, tested)
    own = np.setdiff1d(identities[val], np.union1d(tested, identities[train]))
    if fold is not None:
        validated = np.array_split(rest, folds)[fold] if published else _drawn(rest, val_fraction, seed, "val")
    else:
        validated = own if len(own) else _drawn(rest, val_fraction, seed, "val")
    people = {"train": np.setdiff1d(rest, validated), "val": validated, "test": tested}
    members = {name: pools[name][np.isin(identities[pools[name]], chosen)] for name, chosen in people.items()}
    if train_per_class is not None:
        members["train"] = _few(members["train"], identities, train_per_class, seed)
    return {name: _limited(indices, identities, limit, seed, name) for name, indices in members.items()}


def _paired(pairs: Pairs, fold: int | None, strangers: bool) -> Indices:
    """Return the samples that are tested: those that pairs name. Raises UserError where they have no such fold."""
    last = int(pairs.fold.max())
    if fold is None and (strangers or not pairs.trains):
        return pairs.within()
    if fold is None:
        fold = last
        log.info("data.source.pairs: fold %d of 0 to %d is the test, all others train (data.fold=...)", fold, last)
    if not (pairs.fold == fold).any():
        raise UserError(f"data.fold={fold}: data.source.pairs has the folds 0 to {last}")
    return pairs.of(fold)


def require_identities(
    source: Source, splits: Mapping[str, Indices], val_fraction: float, test_fraction: float
) -> None:
    """Raise UserError where a split cannot do its part: it needs pairs of the same and of different identities.

    A test split may be empty where `test_fraction` is 0.
    """
    identities = source.identities()
    total = len(np.unique(identities[identities >= 0]))
    if not len(splits["val"]) and val_fraction == 0:
        raise UserError(
            "data.val_fraction=0: the threshold between same and different is chosen on validation identities; type "
            "data.val_fraction=0.1"
        )
    for name, indices in splits.items():
        if name == "test" and not len(indices) and test_fraction == 0:
            continue
        counts = np.unique(identities[indices], return_counts=True)[1]
        several = int((counts > 1).sum())
        if len(counts) >= FEWEST and not several:
            raise UserError(
                f"one image per identity: none of the {len(counts)} identities in {name} has two images to be the same "
                "on. Expected are several images in the folder of each identity"
            )
        if len(counts) < FEWEST or (name == "train" and several < FEWEST):
            raise UserError(
                f"{name} has {len(counts)} of the {total} identities, {several} with several images: {FEWEST} are "
                "needed in each of train, val and test, which have none in common; change data.val_fraction, "
                "data.test_fraction or data.folds, or add identities"
            )


def _drawn(people: People, fraction: float, seed: int, name: str) -> People:
    """Return `fraction` of the people, at least two of them where any are asked for, sorted."""
    count = max(FEWEST, round(fraction * len(people))) if fraction else 0
    return np.sort(generator(seed, name, "identities").permutation(people)[:count])


def _few(indices: Indices, identities: NDArray[np.int64], count: int, seed: int) -> Indices:
    """Return at most `count` images of each person."""
    shuffled = generator(seed, "train_per_class", "identities").permutation(indices)
    order = np.argsort(identities[shuffled], kind="stable")
    starts = np.unique(identities[shuffled][order], return_index=True)[1]
    return np.sort(np.concatenate([part[:count] for part in np.split(shuffled[order], starts[1:])]))


def _limited(indices: Indices, identities: NDArray[np.int64], limit: int | None, seed: int, name: str) -> Indices:
    if limit is None or len(indices) <= limit:
        return indices
    kept, room = [], limit
    for person in generator(seed, f"limit {name}", "identities").permutation(np.unique(identities[indices])):
        images = indices[identities[indices] == person][: max(1, limit // 2)]
        if len(images) > room:
            break
        kept.append(images)
        room -= len(images)
    return np.sort(np.concatenate(kept))
