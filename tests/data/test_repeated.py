"""The same image in two splits is counted, by what the files hold."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from src.data.inspection import inspect
from src.data.repeated import repeated_remarks, without_repeated
from src.data.sources.folder import Folder
from src.errors import UserError


def opened(root, pictures):
    """Write pictures {name: gray value} and return the source, its splits and what was found."""
    for name, value in pictures.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), value).save(root / name)
    source = Folder(str(root), None, 3, "auto", "full")
    source.setup()
    splits = {name: np.empty(0, np.int64) for name in ("train", "val", "test")} | dict(source.splits())
    return source, splits, inspect(source, np.arange(len(source)), root.parent / "cache", splits["train"])


def remarks(source, splits, found):
    return repeated_remarks(splits, found, source, lambda index: source.path(index).name)


TRAIN = {"train/a/1.png": 1, "train/a/2.png": 2, "train/b/3.png": 3, "train/b/4.png": 4}


def test_equal_images_in_train_and_test_are_counted_under_any_name(tmp_path):
    given = opened(
        tmp_path / "set", TRAIN | {"test/a/x.png": 1, "test/b/y.png": 3, "test/b/z.png": 9, "val/a/v.png": 2}
    )
    assert [line.split(",")[0] for line in remarks(*given)] == [
        "2 of 3 test images are in train too",
        "1 of 1 val images are in train too",
    ]
    assert "(x.png = 1.png, y.png = 3.png)" in remarks(*given)[0]
    assert "data.repeated=leave_out" in remarks(*given)[0]


def test_left_out_of_train_they_stay_in_test(tmp_path):
    source, splits, found = opened(tmp_path / "set", TRAIN | {"test/a/x.png": 1, "test/b/y.png": 3, "val/a/v.png": 1})
    left = without_repeated(splits, found)
    assert {name: [source.path(i).name for i in part] for name, part in left.items()} == {
        "train": ["2.png", "4.png"], "val": [], "test": ["x.png", "y.png"]
    }  # fmt: skip
    assert remarks(source, left, found) == []


def test_nothing_left_to_train_on_is_told(tmp_path):
    _, splits, found = opened(tmp_path / "set", TRAIN | {name.replace("train", "test"): v for name, v in TRAIN.items()})
    with pytest.raises(UserError, match="all 4 training images are in val or test too"):
        without_repeated(splits, found)


def test_equal_images_with_different_labels_are_told(tmp_path):
    (line,) = remarks(*opened(tmp_path / "set", TRAIN | {"train/b/again.png": 1}))
    assert line == "1 image is there more than once, with different labels: 1.png and again.png (a, b)"


def test_different_images_are_not_mentioned(tmp_path):
    assert remarks(*opened(tmp_path / "set", TRAIN | {"test/a/1.png": 11, "test/b/3.png": 13})) == []
