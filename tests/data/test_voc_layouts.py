"""Pascal VOC's XML is found in the folders of the usual tools, and read with their peculiarities."""

from __future__ import annotations

import re

import pytest
from PIL import Image

from src.config.build import build
from src.config.command import compose
from src.errors import UserError
from tests.data.voc_files import annotation, opened, picture, splits, usual


@pytest.mark.parametrize(
    ("xml", "pictures"),
    [
        ("Annotations", "images"),  # Label Studio
        ("labels", "data"),  # FiftyOne
        ("annotations", "images"),
        (".", "."),
        ("xml", "pictures/deep"),
        ("annotations/xmls", "images"),
    ],
)
def test_the_folders_of_other_tools_are_found(tmp_path, xml, pictures):
    annotation(tmp_path / xml / "a.xml", "a.png")
    picture(tmp_path / pictures / "a.png")
    source = opened(tmp_path)
    assert splits(source) == {"all": [f"{pictures}/a.png".removeprefix("./")]}
    assert source.read(0)["boxes"].tolist() == [[20, 10, 120, 60]]


@pytest.mark.parametrize(
    ("xml", "pictures"),
    [
        ("{}", "{}"),  # Roboflow
        ("{}/Annotations", "{}/JPEGImages"),
        ("{}/annotations", "{}/images"),
        ("Annotations/{}", "JPEGImages/{}"),
        ("annotations/{}", "images/{}"),
        ("annotations", "images/{}"),
    ],
)
@pytest.mark.parametrize("names", [("train", "valid", "test"), ("Train", "Validation", "TEST")])
def test_folders_named_after_splits_are_the_splits(tmp_path, xml, pictures, names):
    for name in names:
        annotation(tmp_path / xml.format(name) / f"{name}1.xml", f"{name}1.jpg")
        picture(tmp_path / pictures.format(name) / f"{name}1.jpg")
    expected = {
        split: [f"{pictures.format(name)}/{name}1.jpg"]
        for split, name in zip(("train", "val", "test"), names, strict=True)
    }
    assert splits(opened(tmp_path)) == expected
    if "{}" in xml:
        typed = {"annotations": xml.replace("{}", "{split}"), "images": pictures.replace("{}", "{split}")}
        assert splits(opened(tmp_path, **typed)) == expected


def test_subfolders_of_annotations_belong_to_those_of_the_pictures(tmp_path):
    for folder in ("one", "two"):
        annotation(tmp_path / "Annotations" / folder / "1.xml")
        picture(tmp_path / "JPEGImages" / folder / "1.jpg")
    assert splits(opened(tmp_path)) == {"all": ["JPEGImages/one/1.jpg", "JPEGImages/two/1.jpg"]}


def test_several_sets_of_annotations_are_named_as_they_can_be_typed(tmp_path):
    for folder in ("first", "second"):
        annotation(tmp_path / folder / "a.xml")
    picture(tmp_path / "images" / "a.jpg")
    with pytest.raises(UserError, match="several sets of annotations") as told:
        opened(tmp_path)
    for line in str(told.value).splitlines()[1:]:
        config = compose("train", ["data=voc", "model=localizer", f"data.root={tmp_path}", *line.split()]).config
        source = build(config["data"]["source"])
        source.setup()
        assert splits(source) == {"all": ["images/a.jpg"]}


def test_what_lies_in_an_unknown_layout_is_listed(tmp_path):
    picture(tmp_path / "images" / "a.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 .5 .5 .1 .1")
    with pytest.raises(UserError, match=r"There are: images/: 1 \.png; labels/: 1 \.txt"):
        opened(tmp_path)
    (tmp_path / "annotations.xml").write_text("<annotations></annotations>")
    with pytest.raises(UserError, match=r"annotations\.xml is CVAT's own form: export the set as Pascal VOC"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("name", "said"), [("a", "a"), ("a", "C:\\photos\\a.jpg"), ("a", "a.jpg"), ("a", ""), ("a", "b")]
)
def test_the_picture_of_that_stem_is_found_whatever_the_annotation_calls_it(tmp_path, name, said):
    annotation(tmp_path / "Annotations" / f"{name}.xml", said)
    picture(tmp_path / "JPEGImages" / "a.png")
    assert splits(opened(tmp_path)) == {"all": ["JPEGImages/a.png"]}


def test_an_annotation_called_otherwise_than_its_picture_says_which(tmp_path):
    annotation(tmp_path / "Annotations" / "0001.xml", "D:\\set\\photo.JPG")
    picture(tmp_path / "JPEGImages" / "photo.png")
    assert splits(opened(tmp_path)) == {"all": ["JPEGImages/photo.png"]}


def test_boxes_counted_from_zero_are_asked_about_and_read_by_a_key(tmp_path):
    """Of an image of 200 x 100, its edges are (0, 0) and (200, 100); (20, 10) to (120, 60) is the cat."""
    annotation(tmp_path / "Annotations" / "a.xml", box=(0, 10, 120, 60))
    picture(tmp_path / "JPEGImages" / "a.png")
    (remark,) = opened(tmp_path).remarks
    assert remark.startswith("1 boxes begin at 0")
    assert remark.endswith("type data.source.first_pixel=0")
    source = opened(tmp_path, first_pixel=0)
    assert source.read(0)["boxes"].tolist() == [[0, 10, 120, 60]]
    assert source.remarks == ()


def test_rotated_boxes_are_refused_by_name_and_polygons_have_the_box_around_them(tmp_path):
    more = (
        "<object><name>dog</name><robndbox><cx>9</cx></robndbox></object>"
        "<object><name>cow</name><polygon><x1>31</x1><y1>21</y1><x2>51.5</x2><y2>40</y2><x3>40</x3><y3>60</y3></polygon>"
        "</object><object><name></name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
    )
    annotation(tmp_path / "Annotations" / "a.xml", more=more)
    picture(tmp_path / "JPEGImages" / "a.jpg")
    source = opened(tmp_path)
    assert [row.reason for row in source.bad_rows] == [
        "a rotated box (robndbox), which is not read: export upright boxes (bndbox)", "an object without a name",
    ]  # fmt: skip
    assert source.classes == ("nothing", "cat", "cow")
    assert source.read(0)["boxes"].tolist() == [[20, 10, 120, 60], [30, 20, 51.5, 60]]


def test_difficult_objects_alone_are_counted_where_they_are_left_out(tmp_path):
    usual(tmp_path, "a")
    (tmp_path / "Annotations" / "b.xml").write_text(
        "<annotation><object><name>cat</name><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>1</ymin>"
        "<xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
    )
    picture(tmp_path / "JPEGImages" / "b.jpg")
    assert opened(tmp_path, difficult=False).remarks == (
        "images that show only difficult objects (data.source.difficult=false), left out since that is not nothing: 1",
    )


def test_a_stated_size_that_is_not_the_pictures_is_told(tmp_path):
    annotation(tmp_path / "Annotations" / "a.xml", more="<size><width>400</width><height>200</height></size>")
    annotation(tmp_path / "Annotations" / "b.xml", more="<size><width>100</width><height>200</height></size>")
    for name in "ab":
        picture(tmp_path / "JPEGImages" / f"{name}.jpg")
    (remark,) = opened(tmp_path).remarks  # b is only turned
    assert re.fullmatch("annotations whose <size> is not that of their picture, whose own is taken: 1", remark)


def test_annotations_in_another_encoding_are_read(tmp_path):
    annotation(tmp_path / "Annotations" / "a.xml")
    text = (tmp_path / "Annotations" / "a.xml").read_text().replace("cat", "Bär")
    (tmp_path / "Annotations" / "a.xml").write_bytes(
        b'<?xml version="1.0" encoding="ISO-8859-1"?>' + text.encode("latin-1")
    )
    picture(tmp_path / "JPEGImages" / "a.jpg")
    assert opened(tmp_path).classes == ("nothing", "Bär")


def test_the_size_of_a_turned_photograph_is_that_of_the_picture_as_it_is_shown(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    annotation(tmp_path / "Annotations" / "a.xml", box=(1, 1, 100, 200))
    (tmp_path / "JPEGImages").mkdir()
    Image.new("RGB", (200, 100)).save(tmp_path / "JPEGImages" / "a.jpg", exif=exif)
    assert opened(tmp_path).read(0)["box"].tolist() == [0, 0, 1, 1]
