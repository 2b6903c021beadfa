"""The usual names of splits are known in any spelling, and other words are not taken for them."""

from __future__ import annotations

import pytest

from src.data.split_names import by_split, split_named


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", "train Train TRAINING training_set training-set trainset train_images seg_train train2017 Train.Set"),
        ("val", "val valid Valid validation VALIDATION validate dev val_images val2017 validation_set valset img_val"),
        ("test", "test Test testing test_set testset test_images seg_test test2017 TESTING-DATA eval evaluation"),
        ("trainval", "trainval TrainVal train_val train+val trainval2012 train-validation"),
    ],
)
def test_usual_names_of_splits_are_known_in_any_spelling(split, names):
    assert {name: split_named(name) for name in names.split()} == dict.fromkeys(names.split(), split)


def test_spaces_divide_words_too():
    assert split_named("Training Set") == "train"
    assert split_named(" test images ") == "test"


@pytest.mark.parametrize(
    "name",
    [
        *("trainer", "trained", "train_station", "valley", "value", "medieval", "valtest", "contest", "latest", "tést"),
        *(
            "test_strip",
            "aircraft-test",
            "devices",
            "default",
            "all",
            "cat",
            "images",
            "set",
            "pred",
            "seg_pred",
            "2017",
        ),
        *("1" * 60, "", " "),
    ],
)
def test_other_words_are_no_names_of_splits(name):
    assert split_named(name) is None


def test_names_are_gathered_by_their_split():
    assert by_split(["Test", "cat", "valid", "seg_train"]) == {
        "train": ["seg_train"],
        "val": ["valid"],
        "test": ["Test"],
    }
    assert by_split(["train", "training"]) == {"train": ["train", "training"]}
    assert by_split(["cat", "dog"]) == {}


def test_trainval_is_train_where_there_is_no_train():
    assert by_split(["trainval", "test"]) == {"train": ["trainval"], "test": ["test"]}
    assert by_split(["trainval", "train", "val"]) == {"train": ["train"], "val": ["val"]}
