"""COCO's JSON files are a data set; what is wrong in them is reported with the id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from src.data.sources.coco import Coco
from src.errors import UserError

OPTIONS = {
    "annotations": "annotations/instances_{split}2017.json", "images": "{split}2017", "classes": None, "crowds": "skip",
    "objects": "largest", "box_units": "pixels", "tolerance": 1.0, "channels": 3, "range": "full",
}  # fmt: skip
CATEGORIES = [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}, {"id": 90, "name": "brush"}]


def write(root: Path, split: str, images: list[dict[str, Any]], objects: list[dict[str, Any]]) -> None:
    (root / "annotations").mkdir(exist_ok=True)
    (root / f"{split}2017").mkdir(exist_ok=True)
    for image in images:
        if "missing" not in image["file_name"]:
            Image.new("RGB", (200, 100)).save(root / f"{split}2017" / image["file_name"])
    content = {"images": images, "annotations": objects, "categories": CATEGORIES}
    (root / "annotations" / f"instances_{split}2017.json").write_text(json.dumps(content))


def image(number: int, name: str = "", **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": name or f"{number}.jpg", "height": 100, "width": 200} | more


def thing(number: int, category: Any, *box: float, **more: Any) -> dict[str, Any]:
    return {"id": 100 + number, "image_id": number, "category_id": category, "bbox": list(box), "iscrowd": 0} | more


def opened(root: Path, **arguments: object) -> Coco:
    source = Coco(str(root), **OPTIONS | arguments)
    source.setup()
    return source


def test_boxes_are_corner_width_and_height_in_pixels(tmp_path):
    write(tmp_path, "train", [image(1), image(2)], [thing(1, 18, 20, 10, 100, 50), thing(1, 3, 0, 0, 5, 5)])
    write(tmp_path, "val", [image(1)], [thing(1, 3, 0, 0, 200, 100)])
    source = opened(tmp_path)
    assert source.classes == ("nothing", "car", "dog", "brush")  # by their ids, whether they occur or not
    sample = source.read(0)
    assert sample["box"].tolist() == pytest.approx([0.1, 0.1, 0.6, 0.6])
    assert sample["boxes"].tolist() == [[20, 10, 120, 60], [0, 0, 5, 5]]
    assert sample["labels"].tolist() == [2, 1]
    assert source.labels().tolist() == [2, 0, 1]  # no object: nothing
    assert {name: rows.tolist() for name, rows in source.splits().items()} == {"train": [0, 1], "val": [2]}
    assert source.path(2) == tmp_path / "val2017" / "1.jpg"


def test_crowds_are_no_objects(tmp_path):
    crowd = thing(1, 3, 0, 0, 200, 100, iscrowd=1)
    write(tmp_path, "train", [image(1)], [crowd, thing(1, 18, 20, 10, 100, 50)])
    assert opened(tmp_path, objects="single").labels().tolist() == [2]


def test_a_single_file_without_sizes(tmp_path):
    write(tmp_path, "train", [image(1, height=None, width=None)], [thing(1, 18, 20, 10, 100, 50)])
    source = opened(tmp_path, annotations="annotations/instances_train2017.json", images="train2017")
    assert list(source.splits()) == ["all"]
    assert source.read(0)["box"].tolist() == pytest.approx([0.1, 0.1, 0.6, 0.6])


def test_what_is_wrong_is_reported_with_its_id(tmp_path):
    objects = [
        thing(1, 18, 20, 10, 100, 50),
        thing(2, 18, 20, 10, 0, 50),
        thing(3, 18, 150, 10, 100, 50),
        thing(4, 55, 0, 0, 5, 5),
        thing(5, 18, 0, 0),
        thing(9, 18, 0, 0, 5, 5),
    ]
    write(tmp_path, "train", [*map(image, range(1, 6)), image(6, "missing.jpg")], objects)
    source = opened(tmp_path)
    file = tmp_path / "annotations" / "instances_train2017.json"
    found = [(row.place.removeprefix(f"{file}: "), row.reason) for row in source.bad_rows]
    expected = [
        ("image 6", "no such image"),
        ("annotation 104", "no category has the id 55"),
        ("annotation 105", "has no four numbers"),
        ("annotation 109", "no image has the id 9"),
        ("annotation 102", "has no area"),
        ("annotation 103", "lies outside the image of 200 x 100"),
    ]
    assert [place for place, _ in found] == [place for place, _ in expected]
    assert all(reason in text for (_, text), (_, reason) in zip(found, expected, strict=True))
    assert [source.path(i).name for i in range(len(source))] == ["1.jpg"]


def test_what_is_no_data_set_is_told_so(tmp_path):
    with pytest.raises(UserError, match=r"data\.source\.annotations: no such file: \S+train2017\.json or "):
        opened(tmp_path)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_train2017.json").write_text("[]")
    with pytest.raises(UserError, match="is no annotation in COCO's form"):
        opened(tmp_path)
