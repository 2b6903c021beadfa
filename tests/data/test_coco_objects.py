"""Objects in COCO's form without a box, crowds, categories, ids and sizes as the usual tools write them."""

from __future__ import annotations

import pytest
from PIL import Image

from src.data.sources.coco_objects import written_box
from src.errors import UserError
from tests.data.coco_files import entry, opened, pictures, splits, write


def test_the_box_around_an_outline_by_hand():
    """Two rings are parts of one object; the box is (10, 5) to (40, 30)."""
    rings = [[10, 10, 30, 10, 30, 30], [20, 5, 40, 5, 40, 20.5]]
    assert written_box({"segmentation": rings}) == (10, 5, 30, 25)
    assert written_box({"segmentation": rings, "bbox": []}) == (10, 5, 30, 25)
    assert written_box({"segmentation": rings, "bbox": [1, 2, 3, 4]}) == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("counts", "box"),
    [
        ([6, 1, 3, 1, 9], (1, 2, 2, 1)),  # height 4: pixels 6 and 10 are row 2 of columns 1 and 2
        ([5, 2, 13], (1, 1, 1, 2)),  # pixels 5 and 6: rows 1 and 2 of column 1
        ([7, 2, 11], (1, 0, 2, 4)),  # pixels 7 and 8: the last row of column 1, the first of column 2
        ([0, 20], (0, 0, 5, 4)),
    ],
)
def test_the_box_around_a_run_length_code_by_hand(counts, box):
    assert written_box({"segmentation": {"size": [4, 5], "counts": counts}}) == box


def test_a_compressed_code_of_pycocotools():
    """A mask of 30 rows and 40 columns with rows 5 to 19 of columns 10 to 29 set."""
    compressed = "a9??" + "0" * 37 + "W9"  # what pycocotools 2.0.11 encodes it to; its toBbox says 10, 5, 20, 15
    assert written_box({"segmentation": {"size": [30, 40], "counts": compressed}}) == (10, 5, 20, 15)
    runs = [305, *[15, 15] * 19, 15, 310]
    assert written_box({"segmentation": {"size": [30, 40], "counts": runs}}) == (10, 5, 20, 15)


@pytest.mark.parametrize("outline", [None, [], "x", {"size": [4, 5]}, {"size": [4, 5], "counts": [20]}, [[1]]])
def test_an_object_that_is_nowhere_is_wrong(outline):
    with pytest.raises(ValueError, match="bbox"):
        written_box({"segmentation": outline})


def test_an_image_of_crowds_alone_does_not_show_nothing_and_is_counted(tmp_path):
    objects = [entry(0, iscrowd=1), entry(1), entry(1, iscrowd=1, bbox=[0, 0, 200, 100])]
    write(tmp_path / "a.json", ["0.jpg", "1.jpg", "2.jpg"], objects)
    pictures(tmp_path, "0.jpg", "1.jpg", "2.jpg")
    source = opened(tmp_path)
    assert splits(source) == {"all": ["1.jpg", "2.jpg"]}
    assert source.labels().tolist() == [1, 0]  # of 2.jpg nobody says anything: nothing
    (remark,) = source.remarks
    assert remark.startswith("images that show only crowds (iscrowd=1")
    assert remark.endswith(": 1")
    used = opened(tmp_path, crowds="objects")
    assert used.labels().tolist() == [1, 1, 0]
    assert used.read(1)["boxes"].tolist() == [[0, 0, 200, 100], [20, 10, 120, 60]]


def test_a_set_of_crowds_alone_says_so(tmp_path):
    write(tmp_path / "a.json", ["0.jpg"], [entry(0, iscrowd=1)])
    pictures(tmp_path, "0.jpg")
    with pytest.raises(UserError, match=r"no image with an object.*\n.*only crowds.*data\.source\.crowds=objects"):
        opened(tmp_path)


def test_the_parent_of_others_without_an_object_is_no_class(tmp_path):
    categories = [
        {"id": 0, "name": "cells", "supercategory": "none"},
        {"id": 2, "name": "dog", "supercategory": "cells"},
        {"id": 1, "name": "cat", "supercategory": "cells"},
    ]
    write(tmp_path / "a.json", ["0.jpg"], categories=categories)
    pictures(tmp_path, "0.jpg")
    assert opened(tmp_path).classes == ("nothing", "cat", "dog")
    write(tmp_path / "a.json", ["0.jpg"], [entry(0, category_id=0)], categories=categories)
    assert opened(tmp_path).classes == ("nothing", "cells", "cat", "dog")


def test_equal_names_are_one_class_and_files_may_count_otherwise(tmp_path):
    first = [{"id": 0, "name": "cat", "supercategory": "none"}, {"id": 1, "name": "cat", "supercategory": "cat"}]
    write(tmp_path / "train.json", ["a.jpg"], [entry(0, category_id=1)], categories=first)
    second = [{"id": 0, "name": "dog"}, {"id": 7, "name": "cat"}]
    write(tmp_path / "test.json", ["b.jpg"], [entry(0, category_id="7")], categories=second)
    pictures(tmp_path / "images", "a.jpg", "b.jpg")
    source = opened(tmp_path)
    assert source.classes == ("nothing", "cat", "dog")
    assert source.labels().tolist() == [1, 1]


def test_an_image_listed_twice_has_all_its_objects_and_one_of_two_splits_is_told(tmp_path):
    write(tmp_path / "train.json", ["a.jpg", "a.jpg"], [entry(0), entry(1, bbox=[0, 0, 5, 5])])
    write(tmp_path / "test.json", ["a.jpg", "b.jpg"])
    pictures(tmp_path / "images", "a.jpg", "b.jpg")
    source = opened(tmp_path)
    assert splits(source) == {"train": ["images/a.jpg"], "test": ["images/b.jpg"]}
    assert len(source.read(0)["boxes"]) == 2
    (row,) = source.bad_rows
    assert row.reason == "images/a.jpg is of the split test here and of train before"


def test_a_turned_photograph_has_the_size_that_it_is_shown_with(tmp_path):
    """Stored as 200 x 100 and so stated, shown as 100 x 200, where the box of the whole picture is."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 100)).save(tmp_path / "0.jpg", exif=exif)
    write(tmp_path / "a.json", ["0.jpg"], [entry(0, bbox=[0, 0, 100, 200])])
    source = opened(tmp_path)
    assert source.read(0)["box"].tolist() == [0, 0, 1, 1]
    assert source.remarks[0].endswith("as it is shown: 1")


def test_another_stated_size_and_an_id_twice_are_wrong(tmp_path):
    images = [
        {"id": 0, "file_name": "0.jpg", "width": 400, "height": 200},
        {"id": 1, "file_name": "1.jpg"},
        {"id": 1, "file_name": "2.jpg"},
        {"id": 3, "file_name": ""},
    ]
    write(tmp_path / "a.json", ["0.jpg"], [entry(1)], images=images)
    pictures(tmp_path, "0.jpg", "1.jpg", "2.jpg")
    source = opened(tmp_path, annotations="a.json", images=".")
    assert splits(source) == {"all": ["1.jpg"]}
    reasons = [row.reason for row in source.bad_rows]
    assert reasons[0].endswith("0.jpg is 200 x 100 pixels large, but annotated as 400 x 200")
    assert reasons[1:] == ["another image has the id 1 too", "it has no file_name"]


def test_relative_boxes_are_asked_about_and_read_by_a_key(tmp_path):
    write(tmp_path / "a.json", ["0.jpg"], [entry(0, bbox=[0.1, 0.1, 0.5, 0.5])])
    pictures(tmp_path, "0.jpg")
    with pytest.raises(UserError, match=r"Are they relative to the image\? Then type data\.source\.box_units=relative"):
        opened(tmp_path)
    assert opened(tmp_path, box_units="relative").read(0)["boxes"].tolist() == [[20, 10, 120, 60]]
