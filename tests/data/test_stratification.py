"""Images with several labels are divided so that each label has its share, and none is lost that need not be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from src.data.sources.base import Indices, Sample, Source
from src.data.splits import make_splits
from src.data.stratification import parts_by_labels, two_parts
from src.errors import UserError

DEFAULTS = {"val_fraction": 0.1, "test_fraction": 0.2, "folds": 5, "fold": None, "limit": None}


class Labelled(Source):
    targets = ("label",)
    multilabel = True

    def __init__(self, sets: np.ndarray, **published: Indices) -> None:
        self.sets = np.asarray(sets, np.bool_)
        self.classes = tuple(f"c{k}" for k in range(self.sets.shape[1]))
        self._published = published or {"all": np.arange(len(self.sets))}

    def setup(self) -> None: ...

    def __len__(self) -> int:
        return len(self.sets)

    def read(self, index: int) -> Sample:
        raise AssertionError("splits are made without reading")

    def labels(self) -> np.ndarray:
        raise AssertionError("the rarest label alone says too little")

    def label_sets(self) -> np.ndarray:
        return self.sets

    def splits(self) -> Mapping[str, Indices]:
        return self._published


def drawn(count: int, labels: int, share: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, labels)) < share


def test_labels_that_a_quarter_of_all_images_have_are_divided_and_not_refused() -> None:
    source = Labelled(drawn(200, 20, 0.3))
    counts = source.sets.sum(axis=0)
    splits = make_splits(source, **DEFAULTS)
    assert [len(splits[name]) for name in ("train", "val", "test")] == [144, 16, 40]
    np.testing.assert_array_equal(np.sort(np.concatenate(list(splits.values()))), np.arange(200))
    for name, share in (("train", 0.72), ("val", 0.08), ("test", 0.2)):
        np.testing.assert_allclose(source.sets[splits[name]].sum(axis=0), counts * share, atol=1.5)


def test_shares_are_nearer_than_those_of_a_random_draw() -> None:
    sets = np.random.default_rng(1).random((1000, 12)) < np.geomspace(0.5, 0.01, 12)
    aimed = sets.sum(axis=0) * 0.2

    def off(part: np.ndarray) -> float:
        return float(np.abs(sets[part].sum(axis=0) - aimed).mean())

    random = [off(np.random.default_rng(s).permutation(1000) < 200) for s in range(20)]
    ours = [off(two_parts(sets, 200, np.random.default_rng(s))) for s in range(3)]
    assert max(ours) < 0.5
    assert max(ours) < min(random)


def test_the_rarest_label_is_dealt_out_first() -> None:
    # c1 stands on two images, which both have c0 too: one goes to each part, and c0's four others even out.
    sets = np.array([[1, 1], [1, 1], [1, 0], [1, 0], [1, 0], [1, 0]], np.bool_)
    parts = parts_by_labels(sets, [3, 3], np.random.default_rng(0))
    assert sorted(parts[:2].tolist()) == [0, 1]
    assert np.bincount(parts).tolist() == [3, 3]


@pytest.mark.parametrize("seed", range(30))
def test_every_label_of_two_images_is_on_both_sides(seed: int) -> None:
    random = np.random.default_rng(seed)
    sets = random.random((40, 9)) < np.geomspace(0.4, 0.06, 9)
    sides = two_parts(sets, 6, np.random.default_rng(seed))
    several = sets.sum(axis=0) >= 2
    assert sets[~sides].any(axis=0)[sets.any(axis=0)].all(), "each label is learned from"
    assert sets[sides].any(axis=0)[several].all()
    assert abs(int(sides.sum()) - 6) <= 3


def test_where_labels_that_stand_together_cannot_be_divided_train_has_them() -> None:
    sets = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]], np.bool_)  # any two sides: one lacks a label
    for seed in range(5):
        sides = two_parts(sets, 1, np.random.default_rng(seed))
        assert sets[~sides].any(axis=0).all()


def test_folds_partition_the_images_with_each_label_in_each() -> None:
    source = Labelled(drawn(200, 20, 0.3))
    folds = [make_splits(source, **DEFAULTS | {"fold": fold})["test"] for fold in range(5)]
    np.testing.assert_array_equal(np.sort(np.concatenate(folds)), np.arange(200))
    assert [len(fold) for fold in folds] == [40] * 5
    counts = np.array([source.sets[fold].sum(axis=0) for fold in folds])
    assert (np.abs(counts - source.sets.sum(axis=0) / 5) <= 1.5).all()


def test_images_without_labels_are_divided_too() -> None:
    sets = np.zeros((100, 2), np.bool_)
    sets[:40, 0], sets[20:30, 1] = True, True
    splits = make_splits(Labelled(sets), **DEFAULTS)
    assert [int((~sets[part].any(axis=1)).sum()) for part in splits.values()] == pytest.approx([43, 5, 12], abs=1)


def test_the_split_seed_decides() -> None:
    source = Labelled(drawn(100, 5, 0.3))
    first, again, other = (make_splits(source, **DEFAULTS, seed=seed) for seed in (0, 0, 1))
    for name in ("train", "val", "test"):
        np.testing.assert_array_equal(first[name], again[name])
    assert (first["test"] != other["test"]).any()


def test_a_limit_keeps_exactly_so_many_with_the_shares_of_the_labels() -> None:
    source = Labelled(np.random.default_rng(2).random((500, 4)) < [0.5, 0.3, 0.2, 0.1])
    train = make_splits(source, **DEFAULTS | {"limit": 50})["train"]
    assert len(train) == 50
    np.testing.assert_allclose(source.sets[train].sum(axis=0) / 50, source.sets.mean(axis=0), atol=0.05)


def test_so_many_of_each_label_to_train_on() -> None:
    source = Labelled(drawn(200, 6, 0.3))
    train = make_splits(source, **DEFAULTS, train_per_class=5)["train"]
    assert source.sets[train].sum(axis=0).min() >= 5
    assert len(train) <= 30


def test_only_a_label_of_one_image_is_refused_and_can_stay_in_train() -> None:
    sets = np.concatenate([drawn(60, 3, 0.4), np.zeros((60, 1), np.bool_)], axis=1)
    sets[7, 3] = True
    with pytest.raises(UserError, match='"c3" has only 1 image left to divide between train and test') as caught:
        make_splits(Labelled(sets), **DEFAULTS)
    assert "data.on_rare_class=train" in str(caught.value)
    assert "data.test_fraction=0" in str(caught.value)
    splits = make_splits(Labelled(sets), **DEFAULTS, on_rare_class="train")
    assert 7 in splits["train"]
    assert [len(splits[name]) for name in ("val", "test")] == pytest.approx([5, 12], abs=1)
    for fold in range(5):
        options = DEFAULTS | {"fold": fold, "on_rare_class": "train"}
        assert 7 in make_splits(Labelled(sets), **options)["train"]
