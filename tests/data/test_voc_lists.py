"""Lists of names in Pascal VOC's sets are read as tools write them; what is there and not used is named."""

from __future__ import annotations

import pytest

from src.errors import UserError
from tests.data.voc_files import annotation, opened, picture, splits, usual


def stems(source):
    return {
        split: [file.rpartition("/")[2].removesuffix(".jpg") for file in files]
        for split, files in splits(source).items()
    }


def test_names_with_spaces_are_whole_lines(tmp_path):
    root = usual(tmp_path, "my image 1", "my image 2", "b 1", train="my image 1,b 1", test="my image 2")
    assert stems(opened(root)) == {"train": ["my image 1", "b 1"], "test": ["my image 2"]}


def test_the_second_column_of_a_list_of_a_class_is_no_part_of_the_name(tmp_path):
    root = usual(tmp_path, "a", "b c", "d", train="a  1,b c -1", test="d  0", cat_train="a  1,b c -1")
    source = opened(root)
    assert stems(source) == {"train": ["a", "b c"], "test": ["d"]}
    assert source.remarks == ()  # cat_train is a list of a class, as VOC has twenty of


def test_trainval_beside_test_is_train(tmp_path):
    root = usual(tmp_path, "a", "b", "c", trainval="a,b", test="c")
    assert stems(opened(root)) == {"train": ["a", "b"], "test": ["c"]}


def test_of_trainval_beside_val_the_rest_is_train(tmp_path):
    root = usual(tmp_path, "a", "b", "c", trainval="a,b", val="b", test="c")
    assert stems(opened(root)) == {"train": ["a"], "val": ["b"], "test": ["c"]}


@pytest.mark.parametrize("names", [("Train", "Validation", "Test"), ("TRAINING", "valid", "testing")])
def test_lists_may_be_called_as_splits_usually_are(tmp_path, names):
    root = usual(tmp_path, "a", "b", "c", **dict(zip(names, "abc", strict=True)))
    assert stems(opened(root)) == {"train": ["a"], "val": ["b"], "test": ["c"]}


def test_two_lists_of_one_split_are_refused(tmp_path):
    with pytest.raises(UserError, match="train and training are both the train split"):
        opened(usual(tmp_path, "a", "b", train="a", training="b"))


def test_a_list_that_is_there_and_not_used_is_named(tmp_path):
    source = opened(usual(tmp_path, "a", "b", "c", train="a", test="b", extra="c"))
    assert source.remarks == (f"{tmp_path}/ImageSets/Main/extra.txt is there and not used",)


def test_paths_and_endings_in_a_list_lead_to_the_name(tmp_path):
    root = usual(tmp_path, "a", "b", "c", train="JPEGImages/a.jpg,b.png", test="./JPEGImages/c.jpg")
    assert stems(opened(root)) == {"train": ["a", "b"], "test": ["c"]}


def test_the_same_image_in_two_lists_is_told_and_one_that_is_listed_twice_is_used_once(tmp_path):
    source = opened(usual(tmp_path, "a", "b", train="a,b,a", test="a"))
    assert stems(source) == {"train": ["a", "b"]}
    (row,) = source.bad_rows
    assert row.place.endswith("test.txt:1")
    assert row.reason == "JPEGImages/a.jpg is of the split test here and of train before"
    assert source.remarks == ("names that stand more than once in the list of train, used once: 1",)


@pytest.mark.parametrize(
    ("choice", "files", "labels"), [("nothing", ["a", "b", "c"], [1, 1, 0]), ("skip", ["a", "b"], [1, 1])]
)
def test_a_listed_picture_without_an_annotation_is_what_the_key_says(tmp_path, choice, files, labels):
    root = usual(tmp_path, "a", "b", default="a,b,c")
    picture(root / "JPEGImages" / "c.jpg")
    source = opened(root, without_annotation=choice)
    assert stems(source) == {"all": files}
    assert source.labels().tolist() == labels
    assert [remark.rpartition(": ")[2] for remark in source.remarks] == ["1"] * (choice == "skip")


def test_by_default_it_is_an_error_that_names_the_key(tmp_path):
    root = usual(tmp_path, "a", "b", default="a,b,c")
    picture(root / "JPEGImages" / "c.jpg")
    (row,) = opened(root).bad_rows
    assert row.place.endswith("default.txt:3")
    assert "type data.source.without_annotation=nothing, or skip" in row.reason


def test_without_lists_pictures_without_an_annotation_are_counted_or_show_nothing(tmp_path):
    root = usual(tmp_path, "a")
    picture(root / "JPEGImages" / "b.png")
    assert opened(root).remarks == (
        "pictures without an annotation, left out; where they show nothing, type "
        "data.source.without_annotation=nothing: 1",
    )
    assert opened(root, without_annotation="nothing").labels().tolist() == [1, 0]


def test_lists_elsewhere_are_typed_and_none_are_read_with_null(tmp_path):
    root = usual(tmp_path, "a", "b", train="a", test="b")
    for split, name in (("train", "b"), ("test", "a")):
        (tmp_path / f"my_{split}.txt").write_text(name)
    assert stems(opened(root, lists="my_{split}.txt")) == {"train": ["b"], "test": ["a"]}
    assert stems(opened(root, lists=None)) == {"all": ["a", "b"]}
    with pytest.raises(UserError, match=r"data\.source\.lists=none\.txt: no such file"):
        opened(root, lists="none.txt")


def test_an_annotation_that_shares_its_picture_with_another_is_refused(tmp_path):
    annotation(tmp_path / "Annotations" / "a.xml", "p.jpg")
    annotation(tmp_path / "Annotations" / "b.xml", "p.jpg")
    picture(tmp_path / "JPEGImages" / "p.jpg")
    source = opened(tmp_path)
    assert len(source) == 1
    assert "is that of" in source.bad_rows[0].reason
