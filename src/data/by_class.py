"""Parts of a set of samples that keep the shares of its classes: of one label per image, or of several."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from src.data.sources.base import Indices, Source
from src.data.stratification import at_least_of_each, parts_by_labels, two_parts
from src.errors import UserError
from src.seeds import generator

log = logging.getLogger(__name__)

RareClass = Literal["stop", "train"]
"""What becomes of a class with too few images to be on both sides: it is refused, or stays in train."""
_NAMED = 12


class ByClass(ABC):
    """Draws samples class by class, each draw from a stream of random numbers of its own.

    Raises UserError, naming the classes, where one has too few images and `on_rare_class` is `stop`.
    """

    def __init__(self, source: Source, seed: int, on_rare_class: RareClass) -> None:
        self.source, self.seed, self.on_rare_class = source, seed, on_rare_class

    @abstractmethod
    def counts(self, indices: Indices) -> NDArray[np.int64]:
        """Return how many samples have each class (K,)."""

    @abstractmethod
    def draw(self, indices: Indices, size: int, name: str) -> Indices:
        """Return about `size` samples with at least one of each class, and never all of one."""

    @abstractmethod
    def fold_of(self, indices: Indices, folds: int, fold: int) -> Indices:
        """Return one of `folds` parts, without the only sample of a class."""

    @abstractmethod
    def some_of_each(self, indices: Indices, count: int) -> Indices:
        """Return `count` samples of each class, or those there are."""

    @abstractmethod
    def share(self, indices: Indices, size: int, name: str) -> Indices:
        """Return exactly `size` samples, every class by its share."""

    def drawn(self, indices: Indices, fraction: float, name: str, *, keep_rare: bool = False) -> Indices:
        """Return `fraction` of the samples for the split `name`, every class by its share; none of them where it is 0.

        At least one sample of each class and never all of one. With `keep_rare` no class is refused.
        """
        if fraction == 0:
            return indices[:0]
        few, what = self._too_few(indices, 2), f"left to divide between train and {name}"
        self._refuse(few, what, f"data.{name}_fraction=0 for no {name} split", keep=keep_rare)
        return self.draw(indices, round(fraction * len(indices)), name)

    def held_out(self, indices: Indices, folds: int, fold: int) -> Indices:
        """Return one of `folds` parts with every class by its share."""
        self._refuse(self._too_few(indices, folds), f"for data.folds={folds}", "use fewer folds")
        return self.fold_of(indices, folds, fold)

    def few(self, indices: Indices, count: int) -> Indices:
        """Return `count` samples of each class."""
        few = self._too_few(indices, count)
        self._refuse(few, f"for data.train_per_class={count}", "a smaller number")
        return self.some_of_each(indices, count)

    def limited(self, indices: Indices, limit: int | None, name: str) -> Indices:
        """Return at most `limit` samples of the split `name`."""
        return indices if limit is None or len(indices) <= limit else self.share(indices, limit, name)

    def _too_few(self, indices: Indices, needed: int) -> dict[str, int]:
        counts = zip(self.source.classes, self.counts(indices).tolist(), strict=True)
        return {name: count for name, count in counts if 0 < count < needed}

    def _refuse(self, few: Mapping[str, int], what: str, otherwise: str, *, keep: bool = False) -> None:
        """Raise UserError where there are classes with too few images, or say that they stay in train."""
        if not few:
            return
        names = ", ".join(f'"{name}"' for name in list(few)[:_NAMED]) + ", ..." * (len(few) > _NAMED)
        if keep or self.on_rare_class == "train":
            log.info("Classes with too few images %s, which stay in train: %s", what, names)
            return
        name, count = next(iter(few.items()))
        more = f" ({len(few)} such classes: {names})" if len(few) > 1 else ""
        raise UserError(
            f'the class "{name}" has only {count} image{"s" * (count > 1)} {what}{more}: add images, type '
            f"data.on_rare_class=train to keep what cannot be divided in train, or {otherwise}"
        )


class OneLabel(ByClass):
    """Samples with one class each; those of class -1, which is unknown, are divided as if they were one more."""

    def __init__(self, source: Source, seed: int, on_rare_class: RareClass) -> None:
        super().__init__(source, seed, on_rare_class)
        self.labels = source.labels()

    def counts(self, indices: Indices) -> NDArray[np.int64]:
        """Count each class."""
        labels = self.labels[indices]
        return np.bincount(labels[labels >= 0], minlength=len(self.source.classes)).astype(np.int64)

    def draw(self, indices: Indices, size: int, name: str) -> Indices:
        """Draw each class's share."""
        kinds, counts = np.unique(self.labels[indices], return_counts=True)
        taken = np.clip(_shares(counts, size), kinds >= 0, counts - 1)
        return self._pick(indices, dict(zip(kinds.tolist(), taken.tolist(), strict=True)), name)

    def fold_of(self, indices: Indices, folds: int, fold: int) -> Indices:
        """Shuffle each class and deal it out, going on where the class before stopped."""
        parts, dealt = [indices[:0]], 0
        for kind in np.unique(self.labels[indices]):
            members = indices[self.labels[indices] == kind]
            if len(members) == 1 and kind >= 0:
                continue
            shuffled = generator(self.seed, "fold", int(kind)).permutation(members)
            parts.append(shuffled[(np.arange(len(members)) + dealt) % folds == fold])
            dealt += len(members)
        return np.sort(np.concatenate(parts))

    def some_of_each(self, indices: Indices, count: int) -> Indices:
        """Draw `count` of each class."""
        kinds = np.unique(self.labels[indices])
        return self._pick(indices, dict.fromkeys(kinds.tolist(), count), "per class")

    def share(self, indices: Indices, size: int, name: str) -> Indices:
        """Draw each class's share."""
        kinds, counts = np.unique(self.labels[indices], return_counts=True)
        taken = dict(zip(kinds.tolist(), _shares(counts, size).tolist(), strict=True))
        return self._pick(indices, taken, f"limit {name}")

    def _pick(self, indices: Indices, taken: dict[int, int], name: str) -> Indices:
        """Return `taken[class]` samples of each class; a class's own stream keeps the others from shifting it."""
        parts = [
            generator(self.seed, name, kind).permutation(indices[self.labels[indices] == kind])[:count]
            for kind, count in taken.items()
        ]
        return np.sort(np.concatenate(parts))


class SeveralLabels(ByClass):
    """Samples that may have several classes, or none, divided by iterative stratification."""

    def __init__(self, source: Source, seed: int, on_rare_class: RareClass) -> None:
        super().__init__(source, seed, on_rare_class)
        self.sets = source.label_sets()

    def counts(self, indices: Indices) -> NDArray[np.int64]:
        """Count each class; a sample may count for several."""
        return np.asarray(self.sets[indices].sum(axis=0), np.int64)

    def draw(self, indices: Indices, size: int, name: str) -> Indices:
        """Draw a side that has some of each class and leaves some of it."""
        return indices[two_parts(self.sets[indices], max(1, size), generator(self.seed, name, "sets"))]

    def fold_of(self, indices: Indices, folds: int, fold: int) -> Indices:
        """Deal out what is not the only sample of a class."""
        alone = self.sets[indices][:, self.counts(indices) == 1].any(axis=1)
        dealt = indices[~alone]
        sizes = [len(part) for part in np.array_split(dealt, folds)]
        parts = parts_by_labels(self.sets[dealt], sizes, generator(self.seed, "fold", "sets"))
        return dealt[np.equal(parts, fold)]

    def some_of_each(self, indices: Indices, count: int) -> Indices:
        """Draw few samples with at least `count` of each class."""
        return indices[at_least_of_each(self.sets[indices], count, generator(self.seed, "per class", "sets"))]

    def share(self, indices: Indices, size: int, name: str) -> Indices:
        """Draw a part of that size."""
        sizes = [len(indices) - size, size]
        parts = parts_by_labels(self.sets[indices], sizes, generator(self.seed, f"limit {name}", "sets"))
        return indices[np.equal(parts, 1)]


def _shares(counts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Divide `total` in proportion to `counts`, whole numbers by the largest remainders (Hamilton's method)."""
    shares, remainders = np.divmod(counts * total, counts.sum())
    largest_first = np.argsort(-remainders, kind="stable")
    shares[largest_first[: total - shares.sum()]] += 1
    return np.asarray(shares, np.int64)
