"""COCO's JSON files are found as the usual tools lay them out; an unknown layout is told with what to type."""

from __future__ import annotations

import json
import shlex

import pytest
from PIL import Image

from src.config.build import build
from src.config.command import compose
from src.data.sources.picture_files import PictureFiles
from src.errors import UserError
from tests.data.coco_files import opened, pictures, splits, write


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("{}/_annotations.coco.json", "{}"),  # Roboflow
        ("annotations/instances_{}2017.json", "{}2017"),
        ("annotations/instances_{}.json", "images/{}"),  # datumaro
        ("annotations/{}.json", "{}"),
        ("{}.json", "images"),
        ("{}/labels.json", "{}/data"),  # FiftyOne
    ],
)
@pytest.mark.parametrize("names", [("train", "valid", "test"), ("Train", "Val", "TEST")])
def test_a_file_per_split_is_found_and_can_be_typed(tmp_path, file, folder, names):
    for name in names:
        write(tmp_path / file.format(name), [f"{name}1.jpg"])
        pictures(tmp_path / folder.format(name), f"{name}1.jpg")
    keys = zip(("train", "val", "test"), names, strict=True)
    expected = {split: [f"{folder.format(name)}/{name}1.jpg"] for split, name in keys}
    assert splits(opened(tmp_path)) == expected
    typed = {"annotations": file.replace("{}", "{split}"), "images": folder.replace("{}", "{split}")}
    assert splits(opened(tmp_path, **typed)) == expected


@pytest.mark.parametrize(
    ("file", "folder", "name"),
    [
        ("result.json", "images", "../proj/upload/1/a1b2-x.jpg"),  # Label Studio
        ("result.json", "images", "..\\proj\\upload\\a1b2-x.jpg"),
        ("labels.json", "data", "a1b2-x.jpg"),  # FiftyOne
        ("annotations/instances_default.json", "images/default", "a1b2-x.jpg"),  # CVAT
        ("_annotations.coco.json", ".", "a1b2-x.jpg"),
        ("a.json", "photos/deep", "photos/deep/a1b2-x.jpg"),
    ],
)
def test_one_file_is_found_with_its_pictures_whatever_path_it_gives_them(tmp_path, file, folder, name):
    write(tmp_path / file, [name])
    pictures(tmp_path / folder, "a1b2-x.jpg")
    assert splits(opened(tmp_path)) == {"all": [f"{folder}/a1b2-x.jpg".removeprefix("./")]}


def test_annotations_of_val_have_their_pictures_in_validation(tmp_path):
    for name, folder in (("train", "Training"), ("val", "Validation")):
        write(tmp_path / f"{name}.json", [f"{name}.jpg"])
        pictures(tmp_path / folder, f"{name}.jpg")
    expected = {"train": ["Training/train.jpg"], "val": ["Validation/val.jpg"]}
    assert splits(opened(tmp_path)) == expected
    assert splits(opened(tmp_path, annotations="{split}.json", images="{split}")) == expected


def test_one_file_over_folders_named_after_splits_has_those_splits(tmp_path):
    write(tmp_path / "all.json", ["train/1.jpg", "valid/2.jpg", "test/3.jpg"])
    pictures(tmp_path / "images", "train/1.jpg", "valid/2.jpg", "test/3.jpg")
    expected = {"train": ["images/train/1.jpg"], "val": ["images/valid/2.jpg"], "test": ["images/test/3.jpg"]}
    assert splits(opened(tmp_path)) == expected


def test_instances_are_meant_among_cocos_own_files(tmp_path):
    for kind in ("instances", "person_keypoints"):
        write(tmp_path / "annotations" / f"{kind}_train2017.json", ["1.jpg"], categories=[{"id": 1, "name": kind}])
    pictures(tmp_path / "train2017", "1.jpg")
    assert opened(tmp_path).classes == ("nothing", "instances")


def test_base_names_that_several_pictures_have_are_refused(tmp_path):
    write(tmp_path / "a.json", ["x/1.jpg", "/far/2.jpg", "y/1.jpg", "/z/3.jpg", "b/4.jpg"])
    pictures(tmp_path / "images", "1.jpg", "a/3.jpg", "b/3.jpg", "a/4.jpg", "b/4.jpg", "2.jpg")
    source = opened(tmp_path, images="images")
    assert splits(source) == {"all": ["images/1.jpg", "images/2.jpg", "images/b/4.jpg"]}
    reasons = [row.reason for row in source.bad_rows]
    assert reasons[0] == "no such image of its own: y/1.jpg and x/1.jpg would both be images/1.jpg"
    assert reasons[1].endswith("several have its name: images/a/3.jpg, images/b/3.jpg")


def overrides_in(message: str) -> list[list[str]]:
    """Return what a message says to type, line by line, as a shell would take it apart."""
    return [shlex.split(line) for line in message.splitlines() if line.startswith("  data.source.")]


@pytest.mark.parametrize("typed", [{}, {"annotations": "instances_{split}2017.json", "images": "{split}2017"}])
def test_what_a_message_says_to_type_reads_the_set(tmp_path, typed):
    for kind in ("first", "second"):
        for name in ("train", "test"):
            write(tmp_path / kind / f"{name}.json", [f"{name}1.jpg"])
            pictures(tmp_path / kind / f"{name} pictures", f"{name}1.jpg")
    with pytest.raises(UserError) as told:
        opened(tmp_path, **typed)
    found = overrides_in(str(told.value))
    assert len(found) == 2
    for overrides in found:
        config = compose("train", ["data=coco", "model=localizer", f"data.root={tmp_path}", *overrides]).config
        source = build(config["data"]["source"])
        source.setup()
        assert {split: len(files) for split, files in splits(source).items()} == {"train": 1, "test": 1}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"shapes": [], "imagePath": "a.jpg"}, "LabelMe's own form"),
        ([{"data": {}, "annotations": []}], "Label Studio's own form"),
        ([{"image": "a.jpg", "annotation_id": 1}], "Label Studio's (JSON_MIN) form"),
        ([{"image_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}], "lists detections"),
        ({"a.jpg1": {"filename": "a.jpg", "regions": []}}, "VGG Image Annotator"),
        ({"images": [], "categories": []}, "has no annotations"),
        ({"images": [], "annotations": []}, "has no categories"),
        ({"items": [], "categories": {}}, "Datumaro's own form"),
        ([], "a list of 0 entries"),
        (3, "it holds int"),
    ],
)
def test_json_that_is_no_coco_is_called_what_it_is(tmp_path, content, words):
    (tmp_path / "a.json").write_text(json.dumps(content))
    for arguments in ({}, {"annotations": "a.json", "images": "."}):
        with pytest.raises(UserError) as told:
            opened(tmp_path, **arguments)
        assert words in str(told.value)


def test_folders_of_pictures_that_are_not_there_are_told_with_those_that_are(tmp_path):
    write(tmp_path / "a.json", ["1.jpg"])
    pictures(tmp_path / "photos", "1.jpg")
    with pytest.raises(
        UserError, match=r"no such folder: \S+images; .* are in photos: type data\.source\.images=photos"
    ):
        opened(tmp_path, annotations="a.json", images="images")
    (tmp_path / "photos" / "1.jpg").rename(tmp_path / "photos" / "2.jpg")
    with pytest.raises(UserError, match=r"such as 1\.jpg, are in no folder of .*photos/: 1 \.jpg"):
        opened(tmp_path)


def test_a_category_without_a_name_is_told(tmp_path):
    write(tmp_path / "a.json", ["1.jpg"], categories=[{"id": 1}])
    pictures(tmp_path, "1.jpg")
    with pytest.raises(UserError, match="a.json is no annotation in COCO's form: a category has no 'name'"):  # noqa: RUF043
        opened(tmp_path)


def test_names_of_files_may_be_absolute(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    Image.new("RGB", (60, 40)).save(tmp_path / "elsewhere" / "a.png")
    files = PictureFiles(tmp_path / "set", ".")
    assert files.named(str(tmp_path / "elsewhere" / "a.png")) == str(tmp_path / "elsewhere" / "a.png")
