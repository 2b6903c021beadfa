"""Train, validation and test have no identity in common, whatever is published."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from src.data.identity_splits import make_identity_splits, require_identities
from src.data.sources.base import Indices, Pairs, Sample, Source
from src.data.sources.shapes import Shapes
from src.errors import UserError

DEFAULTS = {"val_fraction": 0.2, "test_fraction": 0.25, "folds": 4, "fold": None, "limit": None}


class Crowd(Source):
    """`images` of each of `people`, interleaved; the published splits are given."""

    targets = ("identity",)

    def __init__(self, people: int = 20, images: int = 5, pairs: Pairs | None = None, **published: Indices) -> None:
        self._identities = np.random.default_rng(1).permutation(np.repeat(np.arange(people), images))
        self._published = published or {"all": np.arange(people * images)}
        self._pairs = pairs

    def setup(self) -> None: ...

    def __len__(self) -> int:
        return len(self._identities)

    def read(self, index: int) -> Sample:
        raise AssertionError("splits are made without reading")

    def labels(self) -> np.ndarray:
        raise AssertionError("identities are asked for")

    def identities(self) -> np.ndarray:
        return self._identities

    def pairs(self) -> Pairs | None:
        return self._pairs

    def splits(self) -> Mapping[str, Indices]:
        return self._published


def who(source: Source, splits: Mapping[str, Indices]) -> dict[str, list[int]]:
    return {name: np.unique(source.identities()[indices]).tolist() for name, indices in splits.items()}


def test_identities_are_divided_with_all_their_images():
    source = Crowd()
    splits = make_identity_splits(source, **DEFAULTS)
    people = who(source, splits)
    assert [len(people[name]) for name in ("train", "val", "test")] == [12, 3, 5]
    assert sorted(np.concatenate(list(people.values()))) == list(range(20))
    np.testing.assert_array_equal(np.sort(np.concatenate(list(splits.values()))), np.arange(100))
    again = make_identity_splits(source, **DEFAULTS)
    assert all(np.array_equal(splits[name], again[name]) for name in splits)


def test_folds_are_consecutive_identities():
    source = Crowd()
    people = [who(source, make_identity_splits(source, **DEFAULTS | {"fold": fold})) for fold in range(4)]
    assert [fold["test"] for fold in people] == [list(range(5 * k, 5 * k + 5)) for k in range(4)]
    assert [len(fold["val"]) for fold in people] == [3] * 4
    with pytest.raises(UserError, match=r"data\.fold=4: data\.folds=4 has the folds 0 to 3"):
        make_identity_splits(source, **DEFAULTS | {"fold": 4})


def test_a_published_test_set_of_strangers_stays_and_the_fold_validates():
    ids = Crowd().identities()
    source = Crowd(train=np.flatnonzero(ids < 14), test=np.flatnonzero(ids >= 14))
    assert who(source, make_identity_splits(source, **DEFAULTS))["test"] == list(range(14, 20))
    folded = who(source, make_identity_splits(source, **DEFAULTS | {"fold": 0}))
    assert folded["test"] == list(range(14, 20))
    assert folded["val"] == [0, 1, 2, 3]


def test_a_published_validation_set_of_strangers_stays():
    ids = Crowd().identities()
    parts = {"train": ids < 10, "val": (ids >= 10) & (ids < 14), "test": ids >= 14}
    source = Crowd(**{name: np.flatnonzero(part) for name, part in parts.items()})
    assert who(source, make_identity_splits(source, **DEFAULTS)) == {
        "train": list(range(10)), "val": [10, 11, 12, 13], "test": list(range(14, 20)),
    }  # fmt: skip


def test_published_splits_that_share_people_are_kept_for_the_people_of_each():
    shapes = Shapes(size=32, train=200, val=80, test=90, identities=21, max_objects=1, nothing=0.1, seed=0)
    splits = make_identity_splits(shapes, **DEFAULTS)
    people = who(shapes, splits)
    assert sorted(np.concatenate(list(people.values()))) == list(range(21))
    published = shapes.splits()
    for name, indices in splits.items():
        assert np.isin(indices, published[name]).all()
        belonging = published[name][np.isin(shapes.identities()[published[name]], people[name])]
        np.testing.assert_array_equal(indices, belonging)


def crowd_with_pairs(*, trains: bool) -> tuple[Crowd, Pairs]:
    """Two folds of two pairs: of the people 3, 8 and 11, and of 14 and 15."""
    ids = Crowd().identities()
    images = {k: np.flatnonzero(ids == k) for k in range(20)}
    first = np.array([images[3][0], images[3][1], images[14][0], images[14][2]])
    second = np.array([images[8][0], images[11][0], images[15][0], images[14][4]])
    pairs = Pairs(first, second, np.array([False, False, False, True]), np.array([0, 0, 1, 1]), trains=trains)
    return Crowd(pairs=pairs), pairs


def test_the_people_of_a_file_of_pairs_without_folds_are_the_test():
    source, pairs = crowd_with_pairs(trains=False)
    splits = make_identity_splits(source, **DEFAULTS)
    assert who(source, splits)["test"] == [3, 8, 11, 14, 15]
    assert splits["test"].tolist() == sorted({*pairs.first.tolist(), *pairs.second.tolist()})
    everyone = {person for people in who(source, splits).values() for person in people}
    assert everyone == set(range(20))


@pytest.mark.parametrize(("fold", "tested"), [(0, [3, 8, 11]), (1, [14, 15]), (None, [14, 15])])
def test_one_fold_of_pairs_is_the_test_and_the_people_of_the_others_train(fold, tested):
    source, pairs = crowd_with_pairs(trains=True)
    splits = make_identity_splits(source, **DEFAULTS | {"fold": fold, "folds": 5})
    people = who(source, splits)
    assert people["test"] == tested
    here = pairs.fold == (1 if fold is None else fold)
    assert splits["test"].tolist() == sorted({*pairs.first[here].tolist(), *pairs.second[here].tolist()})
    assert not set(tested) & {*people["train"], *people["val"]}
    assert sorted([*people["train"], *people["val"], *tested]) == list(range(20))
    assert len(splits["train"]) == 5 * len(people["train"]), "with all their images"


def test_a_model_of_strangers_is_measured_on_all_folds():
    source, pairs = crowd_with_pairs(trains=True)
    splits = make_identity_splits(source, **DEFAULTS, strangers=True)
    assert splits["test"].tolist() == sorted({*pairs.first.tolist(), *pairs.second.tolist()})


def test_a_fold_that_the_pairs_do_not_have_is_told():
    source, _ = crowd_with_pairs(trains=True)
    with pytest.raises(UserError, match=r"data\.fold=3: data\.source\.pairs has the folds 0 to 1"):
        make_identity_splits(source, **DEFAULTS | {"fold": 3})


def test_a_limit_keeps_whole_people_and_two_at_least():
    source = Crowd()
    limited = make_identity_splits(source, **DEFAULTS | {"limit": 12})
    assert all(len(indices) == 10 for indices in limited.values())
    assert all(len(names) == 2 for names in who(source, limited).values())
    few = make_identity_splits(source, **DEFAULTS | {"limit": 6})
    assert np.unique(source.identities()[few["train"]], return_counts=True)[1].tolist() == [3, 3]


def test_few_images_of_each_person_to_train_on():
    source = Crowd()
    splits = make_identity_splits(source, **DEFAULTS, train_per_class=2)
    assert np.unique(source.identities()[splits["train"]], return_counts=True)[1].tolist() == [2] * 12
    assert len(splits["test"]) == 25


@pytest.mark.parametrize(
    ("people", "images", "changes", "words"),
    [
        (20, 1, {}, "one image per identity: none of the 12 identities in train"),
        (20, 5, {"val_fraction": 0}, "data.val_fraction=0: the threshold"),
        (4, 5, {}, "train has 0 of the 4 identities"),
        (5, 5, {}, "train has 1 of the 5 identities"),
    ],
)
def test_what_cannot_be_learned_from_is_told_so(people, images, changes, words):
    source, options = Crowd(people, images), DEFAULTS | changes
    splits = make_identity_splits(source, **options)
    with pytest.raises(UserError, match=words):
        require_identities(source, splits, options["val_fraction"], options["test_fraction"])


def test_enough_people_are_enough():
    source = Crowd(6, 2)
    require_identities(source, make_identity_splits(source, **DEFAULTS), 0.2, 0.25)


def test_four_people_are_enough_without_a_test_split():
    source = Crowd(4, 5)
    splits = make_identity_splits(source, **DEFAULTS | {"test_fraction": 0})
    require_identities(source, splits, 0.2, 0)
    assert [len(people) for people in who(source, splits).values()] == [2, 2, 0]


def test_people_are_not_kept_in_train_as_rare_classes_are():
    with pytest.raises(UserError, match=r"data\.on_rare_class=train is for splits that divide each class"):
        make_identity_splits(Crowd(), **DEFAULTS, on_rare_class="train")
