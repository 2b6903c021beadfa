"""Pascal VOC's folders and XML files are a data set; what is wrong in them is reported with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data.sources.voc import PascalVoc
from src.errors import UserError

OPTIONS = {
    "annotations": "auto", "images": "auto", "lists": "auto", "classes": None, "objects": "largest", "difficult": True,
    "first_pixel": 1, "without_annotation": "error", "box_units": "pixels", "tolerance": 1.0, "channels": 3,
    "range": "full",
}  # fmt: skip


def thing(name: str, *box: float, difficult: int = 0) -> str:
    edges = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    return f"<object>\n<name>{name}</name><difficult>{difficult}</difficult><bndbox>{edges}</bndbox></object>\n"


def annotate(root: Path, name: str, *things: str, image: bool = True) -> None:
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    text = f"<annotation>\n<filename>{name}.jpg</filename>\n{''.join(things)}</annotation>\n"
    (root / "Annotations" / f"{name}.xml").write_text(text)
    if image:
        Image.new("RGB", (200, 100)).save(root / "JPEGImages" / f"{name}.jpg")


def opened(root: Path, **arguments: object) -> PascalVoc:
    source = PascalVoc(str(root), **OPTIONS | arguments)
    source.setup()
    return source


def test_boxes_count_pixels_from_one_and_include_the_last(tmp_path):
    annotate(tmp_path, "a", thing("cat", 1, 1, 200, 100), thing("dog", 21, 11, 120, 60))
    source = opened(tmp_path)
    sample = source.read(0)
    assert source.classes == ("nothing", "cat", "dog")
    assert sample["box"].tolist() == [0, 0, 1, 1]
    assert sample["boxes"].tolist() == [[0, 0, 200, 100], [20, 10, 120, 60]]
    assert sample["labels"].tolist() == [1, 2]
    assert sample["label"] == 1


def test_published_splits(tmp_path):
    for name in "abcd":
        annotate(tmp_path, name, thing("cat", 1, 1, 20, 20))
    lists = tmp_path / "ImageSets" / "Main"
    (lists / "train.txt").write_text("b\na\n")
    (lists / "val.txt").write_text("d\n")
    (lists / "trainval.txt").write_text("a\nb\nd\n")
    source = opened(tmp_path)
    splits = {k: [source.path(i).stem for i in rows] for k, rows in source.splits().items()}
    assert splits == {"train": ["b", "a"], "val": ["d"]}


def test_the_set_is_found_below_the_root(tmp_path):
    annotate(tmp_path / "VOCdevkit" / "VOC2007", "a", thing("cat", 1, 1, 20, 20))
    assert len(opened(tmp_path)) == len(opened(tmp_path / "VOCdevkit")) == 1
    annotate(tmp_path / "VOCdevkit" / "VOC2012", "a", thing("cat", 1, 1, 20, 20))
    with pytest.raises(UserError, match=r"several sets; name one: data\.root=\S+VOC2007, data\.root=\S+VOC2012"):
        opened(tmp_path)
    with pytest.raises(UserError, match="no folder with Annotations/ and JPEGImages/"):
        opened(tmp_path / "VOCdevkit" / "VOC2007" / "ImageSets")


def test_images_without_objects_show_nothing_and_difficult_ones_can_be_left_out(tmp_path):
    annotate(tmp_path, "a", thing("cat", 1, 1, 20, 20))
    annotate(tmp_path, "b")
    annotate(tmp_path, "c", thing("cat", 1, 1, 50, 50, difficult=1), thing("dog", 1, 1, 20, 20))
    annotate(tmp_path, "d", thing("cat", 1, 1, 50, 50, difficult=1))
    assert opened(tmp_path).labels().tolist() == [1, 0, 1, 1]
    easy = opened(tmp_path, difficult=False)
    assert [easy.path(i).stem for i in range(len(easy))] == ["a", "b", "c"]  # d shows a cat, not nothing
    assert easy.labels().tolist() == [1, 0, 2]


def test_what_is_wrong_is_reported_with_its_place(tmp_path):
    annotate(tmp_path, "a", thing("cat", 1, 1, 20, 20), thing("cat", 30, 30, 30, 30), thing("cat", 5, 5, 300, 20))
    annotate(tmp_path, "b", thing("cat", 1, 1, 20, 20), image=False)
    annotate(tmp_path, "c", "<object><name>cat</name><bndbox><xmin>1</xmin></bndbox></object>")
    annotate(tmp_path, "d")
    (tmp_path / "Annotations" / "d.xml").write_text("<annotation><object></annotation>")
    annotate(tmp_path, "e")
    (tmp_path / "Annotations" / "e.xml").write_text('<!DOCTYPE x [<!ENTITY a "b">]><annotation/>')
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_text("a\nb\nc\nd\ne\nnone\n")
    source = opened(tmp_path)
    found = [(row.place.replace(f"{tmp_path}/", ""), row.reason) for row in source.bad_rows]
    expected = [
        ("Annotations/b.xml", "no such image"),
        ("Annotations/c.xml:3", "no four numbers"),
        ("Annotations/d.xml", "is no readable annotation"),
        ("Annotations/e.xml", "declares a document type"),
        ("ImageSets/Main/train.txt:6", "no such annotation"),
        ("Annotations/a.xml:5", "has no area"),
        ("Annotations/a.xml:7", "lies outside the image of 200 x 100"),
    ]
    assert [place for place, _ in found] == [place for place, _ in expected]
    assert all(reason in text for (_, text), (_, reason) in zip(found, expected, strict=True))
    assert [source.path(i).stem for i in range(len(source))] == ["a"]
    np.testing.assert_allclose(source.read(0)["boxes"], [[0, 0, 20, 20]])
