"""A folder per class is a data set; what is not one is told so."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.data.sources.folder import Folder
from src.errors import UserError


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
