"""Tables of boxes in every usual form are a data set; every wrong row is reported, with its file and line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data.augmentation import Augmentation
from src.data.decode import Unreadable
from src.data.inspection import inspect
from src.data.module import ImageData
from src.data.sources.boxes_csv import BoxesCsv
from src.data.spec import DataSpec
from src.errors import UserError

OPTIONS = {
    "folder": None, "files": "boxes.csv", "header": True, "image_column": "image", "label_column": "label",
    "box_columns": ["x0", "y0", "x1", "y1"], "split_column": None, "image_path": "{image}", "box_format": "xyxy",
    "box_units": "pixels", "classes": None, "objects": "largest", "tolerance": 1.0, "channels": 3, "range": "full",
}  # fmt: skip
PLAIN = {
    "crop_scale": None, "crop_ratio": (0.75, 4 / 3), "horizontal_flip": 0.0, "vertical_flip": 0.0, "transforms": {},
    "mixup": 0.0, "cutmix": 0.0, "lost_object": "refuse", "min_box_share": 0.3,
}  # fmt: skip
HEADER = "image,label,x0,y0,x1,y1\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Pictures a.png to d.png, 200 wide and 100 high."""
    for number, name in enumerate("abcd"):
        Image.new("RGB", (200, 100), (number, 0, 0)).save(tmp_path / f"{name}.png")
    return tmp_path


def opened(root: Path, text: str, **arguments: object) -> BoxesCsv:
    (root / "boxes.csv").write_text(text)
    source = BoxesCsv(str(root), **OPTIONS | arguments)
    source.prepare()
    source.setup()
    return source


def test_a_row_per_image(root):
    source = opened(root, HEADER + "a.png,dog,20,10,120,60\nb.png,cat,0,0,200,100\n")
    assert source.classes == ("nothing", "cat", "dog")
    sample = source.read(0)
    assert (sample["label"], sample["path"]) == (2, str(root / "a.png"))
    assert sample["image"].shape == (100, 200, 3)
    np.testing.assert_allclose(sample["box"], [0.1, 0.1, 0.6, 0.6], atol=1e-7)  # by 200 and 100
    assert sample["box"].dtype == sample["boxes"].dtype == np.float32
    np.testing.assert_allclose(sample["boxes"], [[20, 10, 120, 60]])
    assert sample["labels"].tolist() == [2]
    assert source.labels().tolist() == [2, 1]
    assert source.boxes(np.array([0, 1])).shape == (2, 4)
    assert source.sizes(np.array([0, 1])).tolist() == [[100, 200]] * 2
    assert source.splits()["all"].tolist() == [0, 1]
    assert source.bad_rows == ()


@pytest.mark.parametrize(
    ("row", "options"),
    [
        ("20,10,120,60", {}),
        ("20,10,100,50", {"box_format": "xywh"}),
        ("0.1,0.1,0.6,0.6", {"box_units": "relative"}),
        ("0.1,0.1,0.5,0.5", {"box_units": "relative", "box_format": "xywh"}),
        ("10,60,20,120", {"box_columns": ["y0", "y1", "x0", "x1"]}),
    ],
)
def test_every_format_of_a_box_is_the_same_box(root, row, options):
    columns = ",".join(options.get("box_columns", OPTIONS["box_columns"]))
    if "box_columns" in options:
        options = {"box_columns": OPTIONS["box_columns"]}
    source = opened(root, f"image,label,{columns}\na.png,dog,{row}\n", **options)
    np.testing.assert_allclose(source.read(0)["box"], [0.1, 0.1, 0.6, 0.6], atol=1e-6)


def test_tables_without_a_header_beside_a_folder_per_class(root):
    (root / "set" / "images" / "cat").mkdir(parents=True)
    (root / "set" / "images" / "dog").mkdir()
    (root / "set" / "annotations").mkdir()
    for name in ("cat", "dog"):
        Image.new("RGB", (200, 100)).save(root / "set" / "images" / name / "1.png")
        (root / "set" / "annotations" / f"{name}.csv").write_text(f"1.png,20,10,120,60,{name}\n")
    options = {
        "folder": "set", "files": "annotations/*.csv", "header": False, "image_column": 0, "label_column": 5,
        "box_columns": [1, 2, 3, 4], "image_path": "images/{label}/{image}",
    }  # fmt: skip
    for place in (root, root / "set"):
        source = BoxesCsv(str(place), **OPTIONS | options)
        source.setup()
        assert [source.read(i)["path"] for i in range(2)] == [
            str(root / "set" / "images" / name / "1.png") for name in ("cat", "dog")
        ]
        assert source.classes == ("nothing", "cat", "dog")


def test_of_several_objects_the_largest_or_only_single_ones(root):
    text = HEADER + "a.png,dog,0,0,10,10\na.png,cat,0,0,50,50\nb.png,dog,0,0,10,10\n"
    largest = opened(root, text)
    assert [largest.read(i)["label"] for i in range(2)] == [1, 2]
    assert largest.read(0)["boxes"].tolist() == [[0, 0, 50, 50], [0, 0, 10, 10]]
    assert largest.read(0)["labels"].tolist() == [1, 2]
    single = opened(root, text, objects="single")
    assert [single.path(i).name for i in range(len(single))] == ["b.png"]


def test_images_of_nothing(root):
    source = opened(root, HEADER + "a.png,dog,0,0,10,10\nb.png,nothing,,,,\nc.png,,,,,\n")
    assert source.labels().tolist() == [1, 0, 0]
    assert not source.read(1)["box"].any()
    assert source.read(2)["boxes"].shape == (0, 4)


def test_splits_by_a_column(root):
    text = "image,label,x0,y0,x1,y1,part\na.png,dog,0,0,9,9,train\nb.png,dog,0,0,9,9,valid\nc.png,dog,0,0,9,9,test\n"
    splits = opened(root, text, split_column="part").splits()
    assert {name: rows.tolist() for name, rows in splits.items()} == {"train": [0], "val": [1], "test": [2]}


def test_the_order_of_classes_can_be_given(root):
    source = opened(root, HEADER + "a.png,dog,0,0,9,9\nb.png,cat,0,0,9,9\n", classes=["dog", "cat", "cow"])
    assert source.classes == ("nothing", "dog", "cat", "cow")
    assert source.labels().tolist() == [1, 2]


def test_every_wrong_row_is_reported_with_file_and_line_and_left_out(root):
    (root / "text.png").write_text("no image")
    text = HEADER + (
        "a.png,dog,0,0,10,10\n"  # line 2
        "none.png,dog,0,0,10,10\n"
        "b.png,dog,10,10,10,20\n"
        "b.png,dog,20,10,10,20\n"
        "b.png,dog,300,0,400,50\n"
        "b.png,dog,150,0,250,50\n"
        "c.png,cow,0,0,10,10\n"
        "c.png,dog,0,zero,10,ten\n"
        "d.png,dog,0,0,10\n"
        "text.png,dog,0,0,10,10\n"
        "d.png,dog,0,0,nan,10\n"
        ",dog,0,0,10,10\n"
    )
    source = opened(root, text, classes=["dog"])
    found = {int(row.place.rpartition(":")[2]): row.reason for row in source.bad_rows}
    assert all(row.place.startswith(f"{root / 'boxes.csv'}:") for row in source.bad_rows)
    expected = {
        3: "no such image: ",
        4: "has no area",
        5: "has no area",
        6: "lies outside the image of 200 x 100 pixels",
        7: "lies outside the image of 200 x 100 pixels",
        8: "no such class: cow; data.source.classes has dog",
        9: "'zero' in the column y0, not a number; 'ten' in the column y1, not a number",
        10: "5 fields where the header has 6",
        11: "text.png is not an image",
        12: "is not finite",
        13: "no file in the column image",
    }
    assert found.keys() == expected.keys()
    for line, reason in expected.items():
        assert reason in found[line], (line, found[line])
    assert [source.path(i).name for i in range(len(source))] == ["a.png"]


def test_an_image_all_of_whose_rows_are_wrong_does_not_become_nothing(root):
    source = opened(root, HEADER + "a.png,dog,0,0,10,10\nb.png,dog,5,5,5,9\nc.png,dog,5,5,5,9\nc.png,dog,0,0,9,9\n")
    assert [source.path(i).name for i in range(len(source))] == ["a.png", "c.png"]
    assert source.labels().tolist() == [1, 1]


def test_a_box_that_rounding_let_stand_out_is_clipped(root):
    source = opened(root, HEADER + "a.png,dog,-1,-0.5,201,101\n")
    assert source.read(0)["box"].tolist() == [0, 0, 1, 1]
    with pytest.raises(UserError, match="lies outside the image"):
        opened(root, HEADER + "a.png,dog,-1,-0.5,201,101\n", tolerance=0.0)


def test_sizes_are_those_of_the_picture_as_it_is_shown(root):
    """A photograph that EXIF turns by 90 degrees is 100 wide and 200 high."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 100)).save(root / "turned.jpg", exif=exif)
    source = opened(root, HEADER + "turned.jpg,dog,0,0,100,200\n")
    assert source.read(0)["image"].shape[:2] == (200, 100)
    assert source.read(0)["box"].tolist() == [0, 0, 1, 1]


def test_an_image_that_changes_its_size_is_told(root):
    source = opened(root, HEADER + "a.png,dog,0,0,100,100\n")
    Image.new("RGB", (50, 50)).save(root / "a.png")
    with pytest.raises(Unreadable, match="is 50 x 50 pixels large, but annotated as 200 x 100"):
        source.read(0)


def test_the_digest_changes_with_a_box_and_with_no_line_break(root, tmp_path):
    def digest(text):
        source = opened(root, HEADER + text)
        return inspect(source, np.arange(len(source)), tmp_path / "cache").digest

    first = digest("a.png,dog,0,0,10,10\n")
    assert digest("a.png,dog,0,0,10,10\n\n") == first
    assert digest("a.png,dog,0,0,10,11\n") != first
    assert digest("a.png,dog,0,0,10,10\na.png,dog,0,0,5,5\n") != first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"files": "none/*.csv"}, r"data\.source\.files: no such file none/\*\.csv; tables there: boxes\.csv"),
        ({"label_column": "lable"}, r"label_column=lable \(did you mean label\?\)"),
        ({"image_column": 9}, r"data\.source\.image_column=9; it has 6"),
        ({"header": False}, r"header=false: columns are numbers from 0, but data\.source\.image_column=image"),
        ({"image_path": "images/{label}"}, r"expected a path with \{image\}"),
        ({"image_path": "images/{image"}, r"expected a path with \{image\}"),
        ({"image_path": "images/{image:d}"}, r"expected a path with \{image\}"),
        ({"classes": ["nothing", "dog"]}, "nothing is class 0 by itself"),
    ],
)
def test_what_is_no_data_set_is_told_so(root, arguments, message):
    with pytest.raises(UserError, match=message):
        opened(root, HEADER + "a.png,dog,0,0,10,10\n", **arguments)


def test_no_object_at_all_is_told_with_the_reasons(root):
    with pytest.raises(UserError, match=r"no image with an object in a box is left\n.*boxes\.csv:2: .*has no area"):
        opened(root, HEADER + "a.png,dog,5,5,5,5\n")


def test_wrong_rows_stop_the_run_or_are_left_out_and_named(root, tmp_path, caplog):
    text = HEADER + "".join(f"{name}.png,dog,0,0,10,10\n" for name in "abc") + "d.png,dog,5,5,5,5\nd.png,cat,9,9,1,1\n"

    def data(on_bad_sample):
        (root / "boxes.csv").write_text(text)
        return ImageData(
            source=BoxesCsv(str(root), **OPTIONS), root=str(root), image_size=32, batch_size=1, num_workers=0,
            working_size=None, working_shape="keep", store="files", store_budget=0.0, stream=None, stream_cache=1.0,
            shuffle_window=None,
            val_fraction=0.0, test_fraction=0.4, folds=5, fold=None, normalize="none", eval_crop="whole",
            on_bad_sample=on_bad_sample, repeated="keep", limit=None, train_per_class=None, on_rare_class="stop",
            cache_dir=str(tmp_path / "cache"), augment=Augmentation(**PLAIN), seed=0,
        )  # fmt: skip

    with pytest.raises(UserError) as stopped:
        data("stop").open()
    lines = str(stopped.value).splitlines()
    assert lines[0] == "2 annotations are wrong:"
    assert lines[1].strip() == f"{root / 'boxes.csv'}:5: the box (5, 5) to (5, 5) has no area"
    assert lines[2].strip().startswith(f"{root / 'boxes.csv'}:6: ")
    assert lines[3].endswith("type data.on_bad_sample=skip to leave them out.")
    skipping = data("skip")
    spec = skipping.open()
    assert [line.rpartition(": ")[0] for line in skipping.left_out_lines()] == [
        f"{root / 'boxes.csv'}:{n}" for n in (5, 6)
    ]
    assert "2 left out" in caplog.text
    assert spec.classes == ("nothing", "dog")  # the cat had no sound box
    assert spec.mean_boxes[1] == pytest.approx((0.0, 0.0, 0.05, 0.1))  # 10 of 200 and of 100 pixels
    write = tmp_path / "data.json"
    write.write_text(json.dumps(spec.as_json()))
    assert DataSpec.load(write) == spec


@pytest.mark.parametrize("options", [{"files": "{split}/_annotations.csv"}, {"files": "*/_annotations.csv"}])
def test_a_table_in_each_splits_folder_is_of_that_split(root, options):
    for folder, name in (("train", "a"), ("Valid", "b"), ("test", "c")):
        (root / folder).mkdir()
        (root / f"{name}.png").rename(root / folder / f"{name}.png")
        (root / folder / "_annotations.csv").write_text(HEADER + f"{name}.png,dog,0,0,10,10\n")
    source = opened(root, "", image_path="{folder}/{image}", **options)
    files = {
        split: [source.path(i).relative_to(root).as_posix() for i in rows] for split, rows in source.splits().items()
    }
    assert files == {"train": ["train/a.png"], "val": ["Valid/b.png"], "test": ["test/c.png"]}


def test_tables_called_after_splits_are_of_those_splits_unless_a_column_names_them(root):
    for name, image in (("train_labels", "a"), ("test_labels", "b")):
        text = HEADER.replace("\n", ",part\n") + f"{image}.png,dog,0,0,10,10,train\n"
        (root / f"{name}.csv").write_text(text)
    splits = opened(root, "", files="t*_labels.csv").splits()
    assert {name: rows.tolist() for name, rows in splits.items()} == {"train": [1], "test": [0]}
    assert list(opened(root, "", files="t*_labels.csv", split_column="part").splits()) == ["train"]


def test_pictures_in_folders_named_after_splits_are_divided_so(root):
    for folder, name in (("train", "a"), ("test", "b")):
        (root / "images" / folder).mkdir(parents=True)
        (root / f"{name}.png").rename(root / "images" / folder / f"{name}.png")
    rows = "train/a.png,dog,0,0,10,10\ntest/b.png,dog,0,0,10,10\n"
    splits = opened(root, HEADER + rows, image_path="images/{image}").splits()
    assert {name: found.tolist() for name, found in splits.items()} == {"train": [0], "test": [1]}
    (remark,) = opened(root, HEADER + rows + "../c.png,dog,0,0,10,10\n", image_path="images/{image}").remarks
    assert (
        remark == "no splits are named; images in folders that look like it (train/, test/), taken like all others: 2"
    )


def test_one_file_written_in_two_ways_is_one_image(root):
    source = opened(root, HEADER + "a.png,dog,0,0,10,10\n./a.png,cat,0,0,50,50\n")
    assert len(source) == 1
    assert source.read(0)["labels"].tolist() == [1, 2]


@pytest.mark.parametrize("name", ["big.png", "big.jpg", "big.bmp"])
def test_a_box_in_an_image_of_185_million_pixels_is_read(tmp_path, name):
    Image.new("L" if name.endswith("jpg") else "1", (13600, 13600)).save(tmp_path / name)
    source = opened(tmp_path, HEADER + f"{name},dog,3400,0,10200,6800\n")
    np.testing.assert_allclose(source.boxes(np.array([0]))[0], [0.25, 0, 0.75, 0.5])
    assert source.sizes(np.array([0])).tolist() == [[13600, 13600]]
