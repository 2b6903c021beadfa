"""A folder per class is a data set; what is not one is told so."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data.sources.folder import Folder
from src.errors import UserError
from src.files import write_csv
from src.runs.prediction import image_files


def make(root: Path, *names: str) -> Path:
    """Write a small picture under each name; a name that ends in a slash is an empty folder."""
    for number, name in enumerate(names):
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npy":
            np.save(path, np.full((4, 4), number, np.uint8))
        else:
            Image.new("RGB", (4, 4), (number, 0, 0)).save(path, "PNG")
    return root


def opened(root: Path, channels: int = 3) -> Folder:
    source = Folder(str(root), None, channels, "auto", "full")
    source.prepare()
    source.setup()
    return source


def names(source: Folder, root: Path) -> list[str]:
    return [source.path(index).relative_to(root).as_posix() for index in range(len(source))]


def test_folders_are_classes_in_order_of_their_names(tmp_path: Path) -> None:
    source = opened(make(tmp_path, "dog/b.png", "cat/z.png", "dog/a.png", "ant/1.png"))
    assert source.classes == ("ant", "cat", "dog")
    assert names(source, tmp_path) == ["ant/1.png", "cat/z.png", "dog/a.png", "dog/b.png"]
    assert source.labels().tolist() == [0, 1, 2, 2]
    assert {name: indices.tolist() for name, indices in source.splits().items()} == {"all": [0, 1, 2, 3]}


def test_a_sample_names_its_file(tmp_path: Path) -> None:
    sample = opened(make(tmp_path, "cat/a.png", "dog/b.png")).read(1)
    assert sample["image"].shape == (4, 4, 3)
    assert sample["image"][0, 0].tolist() == [1, 0, 0]
    assert (sample["label"], sample["index"], sample["path"]) == (1, 1, str(tmp_path / "dog/b.png"))


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_folders_of_splits_are_published_splits(tmp_path: Path, name: str) -> None:
    files = ["train/cat/1.png", "train/dog/2.png", f"{name}/dog/3.png", "test/cat/4.png", "test/dog/5.png"]
    source = opened(make(tmp_path, *files))
    assert source.classes == ("cat", "dog")
    splits = {split: [names(source, tmp_path)[i] for i in indices] for split, indices in source.splits().items()}
    assert splits == {"train": files[:2], "val": files[2:3], "test": files[3:]}


def test_nested_hidden_and_other_files(tmp_path: Path) -> None:
    root = make(tmp_path, "cat/deep/er/1.JPG", "cat/.hidden.png", "dog/2.npy", ".git/x.png", "__MACOSX/cat/y.png")
    (root / "cat/notes.txt").write_text("no image")
    source = opened(root)
    assert names(source, root) == ["cat/deep/er/1.JPG", "dog/2.npy"]
    assert source.read(1)["image"].max() == 2


def test_channels_are_those_asked_for(tmp_path: Path) -> None:
    source = opened(make(tmp_path, "cat/1.png", "dog/2.npy"), channels=1)
    assert [source.read(index)["image"].shape for index in (0, 1)] == [(4, 4, 1), (4, 4, 1)]


def test_setup_twice_is_setup_once_and_workers_can_have_it(tmp_path: Path) -> None:
    source = opened(make(tmp_path, "cat/1.png", "dog/2.png"))
    source.setup()
    copy = pickle.loads(pickle.dumps(source))
    assert len(copy) == 2
    np.testing.assert_array_equal(copy.read(1)["image"], source.read(1)["image"])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], ["no images", "a folder per class"]),
        (["a.png", "b.png"], ["images such as", "a.png lie directly in it"]),
        (["cat/1.png"], ["only one class, cat"]),
        (
            ["imagenette/train/a/1.png", "imagenette/train/b/1.png", "imagenette/val/a/1.png"],
            ["did you mean data.root="],
        ),
        (["cat/1.png", "dog/", "fox/"], ["no images in the class folder", "dog", "fox"]),
        (["train/a/1.png", "train/b/1.png", "val/c/1.png"], ["val: c: no such class in train, which has a, b"]),
        (["train/a/1.png", "train/b/1.png", "test/a/"], ["no images in the class folder", "test/a"]),
        (["train/a/1.png", "train/b/1.png", "test/1.png"], ["test: no class folders"]),
        (["train/1.png", "val/1.png"], ["lie directly in it"]),
        (["train/a/1.png", "train/b/1.png", "val/a/1.png", "valid/a/1.png"], ["both the val split"]),
        (["val/a/1.png", "test/b/1.png"], ["there is test, val but no train"]),
    ],
)
def test_what_is_no_data_set_is_told_so(tmp_path: Path, files: list[str], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        opened(make(tmp_path, *files))
    assert all(word in str(caught.value) for word in [*words, str(tmp_path)])


def test_a_missing_root_shows_what_exists(tmp_path: Path) -> None:
    make(tmp_path, "flowers/")
    with pytest.raises(UserError) as caught:
        opened(tmp_path / "flower/train")
    assert f"did you mean {tmp_path / 'flowers'}?" in str(caught.value)
    with pytest.raises(UserError) as caught:
        opened(tmp_path / "x/y")
    assert f"no such folder; {tmp_path} exists and holds flowers" in str(caught.value)


def test_a_file_is_no_root(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    with pytest.raises(UserError, match="Not a directory"):
        opened(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set", "test_set"), ("train_images", "test_images"), ("Train", "Testing"), ("TRAINING", "eval"),
        ("seg_train/seg_train", "seg_test/seg_test"), ("trainval", "test"),
    ],
)  # fmt: skip
def test_splits_are_known_by_their_usual_names_and_nested_twice(tmp_path: Path, train: str, test: str) -> None:
    files = [f"{train}/cat/1.png", f"{train}/dog/2.png", f"{test}/cat/3.png"]
    source = opened(make(tmp_path, *files))
    assert source.classes == ("cat", "dog")
    assert {split: [names(source, tmp_path)[i] for i in part] for split, part in source.splits().items()} == {
        "train": files[:2],
        "test": files[2:],
    }


@pytest.mark.parametrize("others", [("bus", "car"), ("control",), ("bus", "car", "van")])
def test_a_class_may_be_called_train(tmp_path: Path, others: tuple[str, ...]) -> None:
    source = opened(make(tmp_path, *(f"{name}/{i}.png" for name in ("train", *others) for i in range(2))))
    assert source.classes == tuple(sorted(("train", *others)))
    assert set(source.splits()) == {"all"}


def test_folders_that_are_no_split_and_not_used_are_named(tmp_path: Path) -> None:
    root = make(
        tmp_path,
        *("train/a/1.png", "train/b/1.png", "test/a/1.png", "test2/a/2.png", "seg_pred/9.png", "docs/notes/"),
    )
    source = opened(root)
    assert set(source.splits()) == {"train", "test"}
    assert len(source) == 3
    (remark,) = source.remarks
    assert "seg_pred/, test2/ hold images and are not used" in remark
    assert 'data.source.splits="{train: train, val: seg_pred, test: test}"' in remark


def test_what_could_be_splits_or_classes_asks_with_keys_to_type(tmp_path: Path) -> None:
    root = make(tmp_path, *(f"{top}/{inner}/1.png" for top in ("bus", "car", "train") for inner in ("old", "new")))
    with pytest.raises(UserError) as caught:
        opened(root)
    assert "are bus, car, train splits or classes? Type data.source.splits=none" in str(caught.value)
    as_classes = Folder(str(root), None, 3, "none", "full")
    as_classes.setup()
    assert as_classes.classes == ("bus", "car", "train")
    as_splits = Folder(str(root), None, 3, {"train": "bus", "test": "car"}, "full")
    as_splits.setup()
    assert (as_splits.classes, {name: len(part) for name, part in as_splits.splits().items()}) == (
        ("new", "old"), {"train": 2, "test": 2}
    )  # fmt: skip
    named = Folder(str(root), ["bus", "car", "train"], 3, "auto", "full")
    named.setup()
    assert named.classes == ("bus", "car", "train")


@pytest.mark.parametrize(
    ("splits", "words"),
    [
        ({"train": "bus", "tset": "car"}, "tset is no split"),
        ({"test": "bus"}, "train is missing"),
        ({"train": "buss"}, "data.source.splits.train=buss: no such folder"),
    ],
)
def test_wrong_splits_are_told(tmp_path: Path, splits: dict[str, str], words: str) -> None:
    make(tmp_path, "bus/a/1.png", "bus/b/1.png")
    with pytest.raises(UserError, match=words):
        Folder(str(tmp_path), None, 3, splits, "full").setup()


def test_class_folders_that_hold_the_same_folders_are_told(tmp_path: Path) -> None:
    files = [f"{top}/{inner}/1.png" for top in ("first", "second") for inner in ("cat", "dog")]
    (remark,) = opened(make(tmp_path, *files)).remarks
    assert "all 2 class folders hold the same folders, cat, dog" in remark
    assert 'data.source.splits="{train: first, test: second}"' in remark


def test_files_of_other_endings_are_counted(tmp_path: Path) -> None:
    root = make(tmp_path, "cat/1.png", "dog/2.png")
    for name in ("cat/a.heic", "cat/b.HEIC", "dog/c.tga", "dog/none", "dog/notes.txt", "dog/.DS_Store"):
        (root / name).write_bytes(b"x")
    (remark,) = opened(root).remarks
    assert "4 files left out" in remark
    assert all(words in remark for words in ("2 end in .heic", "1 end in .tga", "1 have no ending", "cat/a.heic"))


def test_training_and_prediction_list_the_same_images(tmp_path: Path) -> None:
    make(tmp_path, "real/cat/1.png", "real/cat/.ipynb_checkpoints/1-checkpoint.png", "real/__MACOSX/x.png")
    make(tmp_path, "set/dog/2.png")
    (tmp_path / "set/cat").symlink_to("../real/cat")
    (tmp_path / "real/cat/round").symlink_to("..")  # back to a folder above: not followed
    source = opened(tmp_path / "set")
    expected = ["cat/1.png", "dog/2.png"]
    found = [file.relative_to(tmp_path / "set").as_posix() for file in image_files("input", str(tmp_path / "set"))]
    assert [name for name in names(source, tmp_path / "set") if "round" not in name] == expected
    assert [name for name in found if "round" not in name] == expected
    assert names(source, tmp_path / "set") == found
    assert len(image_files("input", str(tmp_path / "real"))) == 1


def test_classes_that_differ_in_case_alone_are_told(tmp_path: Path) -> None:
    (remark,) = opened(make(tmp_path, "Cat/1.png", "cat/1.png", "dog/1.png")).remarks
    assert "upper and lower case only: Cat and cat" in remark
    with pytest.raises(UserError, match="Cat: no such class in train; is it cat, spelt otherwise"):
        opened(make(tmp_path / "two", "train/cat/1.png", "train/dog/1.png", "test/Cat/1.png"))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"images/1.png": b"", "labels/1.txt": b"0 .5 .5 .1 .1", "data.yaml": b"names: [a]"}, "a YOLO set"),
        ({"train/images/1.png": b"", "train/labels/1.txt": b"0 .5 .5 .1 .1"}, "a YOLO set"),
        ({"train/1.png": b"", "train/_annotations.coco.json": b"{}"}, "type data=coco"),
        ({"annotations/a.json": b'{"images": [], "annotations": []}', "train2017/1.png": b""}, "type data=coco"),
        ({"Annotations/1.xml": b"<annotation></annotation>", "JPEGImages/1.png": b""}, "type data=voc"),
        ({"1.png": b"", "labels.csv": b"image,label"}, "type data=csv"),
        ({"photos.zip": b"PK"}, "photos.zip: unpack it"),
    ],
)
def test_a_set_of_another_format_is_told_with_what_to_type(tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        opened(tmp_path)
    assert words in str(caught.value)
    assert "remove" not in str(caught.value)


def test_a_folder_in_a_folder_of_its_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        opened(make(tmp_path, "photos/photos/cat/1.png", "photos/photos/dog/1.png"))
    assert f"did you mean data.root={tmp_path / 'photos/photos'}?" in str(caught.value)


def test_names_that_are_no_utf_8_become_classes_that_can_be_written(tmp_path: Path) -> None:
    make(tmp_path, "dog/1.png")
    folder = tmp_path / os.fsdecode(b"B\xe4r")
    folder.mkdir()
    Image.new("RGB", (4, 4)).save(folder / os.fsdecode(b"bild_\xe4.png"))
    source = opened(tmp_path)
    assert source.classes == ("B\\xe4r", "dog")
    assert source.read(0)["image"].shape == (4, 4, 3)
    write_csv(tmp_path / "rows.csv", [{"path": str(source.path(0))}])
    assert (tmp_path / "rows.csv").read_text() == f"path\n{tmp_path}/B\\xe4r/bild_\\xe4.png\n"
