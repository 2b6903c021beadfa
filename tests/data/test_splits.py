"""Splits are disjoint, keep the classes' shares, and are the same wherever and whenever they are made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from src.data.sources.base import Indices, Sample, Source
from src.data.splits import SPLIT_SEED, make_splits
from src.errors import UserError

DEFAULTS = {"val_fraction": 0.1, "test_fraction": 0.2, "folds": 5, "fold": None, "limit": None}


class Counted(Source):
    """`counts` samples of each class, the classes interleaved as files of several folders may be."""

    targets = ("label",)

    def __init__(self, counts: list[int], **published: Indices) -> None:
        self.classes = tuple("abcdefghij"[: len(counts)])
        kinds = np.repeat(np.arange(len(counts)), counts)
        self._labels = np.random.default_rng(5).permutation(kinds)
        self._published = published or {"all": np.arange(len(kinds))}

    def setup(self) -> None: ...

    def __len__(self) -> int:
        return len(self._labels)

    def read(self, index: int) -> Sample:
        raise AssertionError("splits are made without reading")

    def labels(self) -> np.ndarray:
        return self._labels

    def splits(self) -> Mapping[str, Indices]:
        return self._published


def per_class(source: Source, indices: Indices) -> list[int]:
    return np.bincount(source.labels()[indices], minlength=len(source.classes)).tolist()


def test_nothing_published_test_is_drawn_from_all_and_val_from_the_rest() -> None:
    source = Counted([100, 50, 50])
    splits = make_splits(source, **DEFAULTS)
    assert per_class(source, splits["test"]) == [20, 10, 10]
    assert per_class(source, splits["val"]) == [8, 4, 4]
    assert per_class(source, splits["train"]) == [72, 36, 36]


def test_splits_are_sorted_disjoint_and_complete() -> None:
    splits = make_splits(Counted([33, 17, 50]), **DEFAULTS)
    for indices in splits.values():
        assert (np.diff(indices) > 0).all()
    np.testing.assert_array_equal(np.sort(np.concatenate(list(splits.values()))), np.arange(100))


def test_sizes_follow_the_fraction_of_the_whole_not_of_each_class() -> None:
    # 100 classes' worth of rounding: a tenth of 10 classes of 14 is 14, although a tenth of 14 rounds to 1.
    splits = make_splits(Counted([14] * 10), **DEFAULTS | {"test_fraction": 0, "val_fraction": 0.1})
    assert len(splits["val"]) == 14
    assert len(splits["test"]) == 0


def test_everything_published_is_used_as_it_is() -> None:
    parts = {"train": np.arange(0, 60), "val": np.arange(60, 80), "test": np.arange(80, 100)}
    for fraction in (0.0, 0.1):
        splits = make_splits(Counted([50, 50], **parts), **DEFAULTS | {"val_fraction": fraction})
        for name, indices in parts.items():
            np.testing.assert_array_equal(splits[name], indices)


@pytest.mark.parametrize("other", ["val", "test"])
def test_the_only_other_published_set_tests_and_val_comes_from_train(other: str) -> None:
    published, train = np.arange(80, 100), np.arange(80)
    source = Counted([50, 50], **{"train": train, other: published})
    splits = make_splits(source, **DEFAULTS)
    np.testing.assert_array_equal(splits["test"], published)
    assert len(splits["val"]) == 8
    np.testing.assert_array_equal(np.union1d(splits["train"], splits["val"]), train)


def test_val_fraction_zero_trains_on_all_of_train() -> None:
    source = Counted([50, 50], train=np.arange(80), val=np.arange(80, 100))
    splits = make_splits(source, **DEFAULTS | {"val_fraction": 0})
    np.testing.assert_array_equal(splits["train"], np.arange(80))
    assert len(splits["val"]) == 0


def test_folds_partition_what_is_not_a_published_test_set() -> None:
    source = Counted([51, 49], train=np.arange(70), test=np.arange(70, 100))
    folds = [make_splits(source, **DEFAULTS | {"fold": fold}) for fold in range(5)]
    np.testing.assert_array_equal(np.sort(np.concatenate([fold["val"] for fold in folds])), np.arange(70))
    for fold in folds:
        np.testing.assert_array_equal(fold["test"], np.arange(70, 100))
        np.testing.assert_array_equal(fold["train"], np.setdiff1d(np.arange(70), fold["val"]))


def test_without_a_test_set_the_fold_tests() -> None:
    source = Counted([51, 49])
    folds = [make_splits(source, **DEFAULTS | {"fold": fold}) for fold in range(5)]
    np.testing.assert_array_equal(np.sort(np.concatenate([fold["test"] for fold in folds])), np.arange(100))
    assert [len(fold["test"]) for fold in folds] == [20] * 5
    assert all(sorted(per_class(source, fold["test"])) in ([9, 11], [10, 10]) for fold in folds)
    assert [len(fold["val"]) for fold in folds] == [8] * 5


def test_folds_cut_published_train_and_val_together() -> None:
    source = Counted([50, 50], train=np.arange(40), val=np.arange(40, 80), test=np.arange(80, 100))
    splits = make_splits(source, **DEFAULTS | {"fold": 0})
    assert len(splits["val"]) == 16
    np.testing.assert_array_equal(np.union1d(splits["train"], splits["val"]), np.arange(80))


def test_limit_keeps_the_shares_of_the_classes() -> None:
    source = Counted([600, 300, 100])
    splits = make_splits(source, **DEFAULTS | {"limit": 50})
    assert per_class(source, splits["train"]) == [30, 15, 5]
    assert [len(indices) for indices in splits.values()] == [50, 50, 50]
    assert np.intersect1d(splits["train"], splits["val"]).size == 0


def test_a_limited_split_is_part_of_the_whole_one() -> None:
    source = Counted([60, 40])
    whole, limited = make_splits(source, **DEFAULTS), make_splits(source, **DEFAULTS | {"limit": 7})
    assert all(np.isin(limited[name], whole[name]).all() for name in whole)


def test_the_seed_decides() -> None:
    source = Counted([60, 40])
    first, again, other = (make_splits(source, **DEFAULTS, seed=seed) for seed in (SPLIT_SEED, SPLIT_SEED, 1))
    np.testing.assert_array_equal(first["val"], again["val"])
    assert (first["val"] != other["val"]).any()


def test_a_class_that_grows_leaves_the_others_alone() -> None:
    def chosen(counts: list[int]) -> list[int]:
        source = Counted(counts)
        source._labels = np.sort(source._labels)
        return [i for i in make_splits(source, **DEFAULTS)["test"].tolist() if i < 50]

    assert chosen([50, 50]) == chosen([50, 60])


def test_every_class_is_in_every_split() -> None:
    source = Counted([200, 3])
    splits = make_splits(source, **DEFAULTS)
    assert [per_class(source, splits[name])[1] for name in ("train", "val", "test")] == [1, 1, 1]


def test_unknown_labels_are_one_group() -> None:
    source = Counted([50, 50])
    source._labels = np.full(100, -1)
    assert [len(indices) for indices in make_splits(source, **DEFAULTS).values()] == [72, 8, 20]


@pytest.mark.parametrize(
    ("counts", "options", "words"),
    [
        ([20, 1], {}, '"b" has only 1 image left to divide between train and test'),
        ([20, 2], {}, "data.val_fraction=0"),
        ([20, 4], {"fold": 0}, '"b" has only 4 images for data.folds=5'),
        ([20, 20], {"fold": 5}, "folds 0 to 4"),
    ],
)
def test_what_cannot_be_divided_is_named(counts: list[int], options: dict[str, int], words: str) -> None:
    with pytest.raises(UserError) as caught:
        make_splits(Counted(counts), **DEFAULTS | options)
    assert words in str(caught.value)


def test_no_train_is_an_error() -> None:
    with pytest.raises(UserError, match="only test is there"):
        make_splits(Counted([5, 5], test=np.arange(10)), **DEFAULTS)


def test_shares_are_those_of_another_library() -> None:
    model_selection = pytest.importorskip("sklearn.model_selection")
    source = Counted([97, 31, 12])
    labels = source.labels()
    drawn = make_splits(source, **DEFAULTS)["test"]
    _, theirs = model_selection.train_test_split(np.arange(140), test_size=0.2, stratify=labels)
    assert per_class(source, drawn) == per_class(source, theirs)


def test_a_class_of_one_image_can_stay_in_train() -> None:
    source = Counted([20, 1, 2])
    splits = make_splits(source, **DEFAULTS, on_rare_class="train")
    assert per_class(source, splits["train"])[1:] == [1, 1]
    assert per_class(source, splits["test"])[1:] == [0, 1]
    assert per_class(source, splits["val"])[1:] == [0, 0]
    folds = [make_splits(source, **DEFAULTS | {"fold": fold}, on_rare_class="train") for fold in range(5)]
    assert all(per_class(source, fold["train"])[1] == 1 for fold in folds)
    assert sum(per_class(source, fold["test"])[2] for fold in folds) == 2


def test_what_the_message_about_a_class_of_one_image_advises_works() -> None:
    with pytest.raises(UserError, match=r"data.on_rare_class=train .* or data.test_fraction=0 for no test split"):
        make_splits(Counted([20, 1]), **DEFAULTS)
    for val_fraction, sizes in ((0.1, [19, 2, 0]), (0, [21, 0, 0])):
        source = Counted([20, 1])
        splits = make_splits(source, **DEFAULTS | {"test_fraction": 0, "val_fraction": val_fraction})
        assert [len(part) for part in splits.values()] == sizes
        assert per_class(source, splits["train"])[1] == 1
    with pytest.raises(UserError, match=r"data.on_rare_class=train .* or data.val_fraction=0 for no val split"):
        make_splits(Counted([20, 2]), **DEFAULTS)


def test_all_classes_with_too_few_images_are_named_at_once() -> None:
    with pytest.raises(UserError, match=r'2 such classes: "b", "d"'):
        make_splits(Counted([20, 1, 20, 1]), **DEFAULTS)
