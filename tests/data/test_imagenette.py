"""Imagenette is found, named and, with its published wrong labels, read as it was published."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src import download
from src.data.inspection import inspect
from src.data.sources.imagenette import Imagenette, Imagewoof
from src.data.splits import make_splits
from src.errors import UserError

CODES = ["n01440764", "n02102040", "n03888257"]
WORDS = ("tench", "English springer", "parachute")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three of the ten classes, two images of each for training and one published for validation."""
    rows = [["path", *(f"noisy_labels_{noise}" for noise in (0, 1, 5, 25, 50)), "is_valid"]]
    for split, count in (("train", 2), ("val", 1)):
        for code in CODES:
            for number in range(count):
                name = f"{split}/{code}/{code}_{number}.JPEG"
                path = tmp_path / "imagenette2-160" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (16, 16)).save(path, "JPEG")
                rows.append([name, *[code] * 4, CODES[0], str(split == "val")])
    with (tmp_path / "imagenette2-160/noisy_imagenette.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path


def opened(root: Path, noise: int = 0) -> Imagenette:
    source = Imagenette(str(root), None, 160, noise)
    source.prepare()
    source.setup()
    return source


@pytest.mark.parametrize("inside", ["", "imagenette2-160"])
def test_found_in_the_root_or_as_the_root(root: Path, inside: str) -> None:
    source = opened(root / inside)
    assert source.classes == WORDS
    assert {name: len(indices) for name, indices in source.splits().items()} == {"train": 6, "val": 3}
    assert source.read(3)["label"] == 1
    assert source.image_size == 128


def test_found_under_another_name(root: Path) -> None:
    (root / "imagenette2-160").rename(root / "pictures")
    assert len(opened(root / "pictures")) == 9


def test_noise_changes_the_labels_of_train_alone(root: Path) -> None:
    clean, noisy = opened(root), opened(root, noise=50)
    train, val = clean.splits()["train"], clean.splits()["val"]
    assert clean.labels()[train].tolist() == [0, 0, 1, 1, 2, 2]
    assert noisy.labels()[train].tolist() == [0] * 6
    assert noisy.labels()[val].tolist() == [0, 1, 2]
    assert opened(root, noise=25).labels().tolist() == clean.labels().tolist()


def test_noise_without_its_table_or_row_is_named(root: Path) -> None:
    table = root / "imagenette2-160/noisy_imagenette.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-4]))
    with pytest.raises(UserError, match=r"no label of noisy_labels_5 for train/n03888257/n03888257_1\.JPEG"):
        opened(root, noise=5)
    table.unlink()
    with pytest.raises(UserError, match=r"data\.source\.noise=5 needs .*noisy_imagenette\.csv: No such file"):
        opened(root, noise=5)


def test_the_folder_of_another_size_is_refused(root: Path) -> None:
    source = Imagenette(str(root / "imagenette2-160"), None, 320, 0)
    with pytest.raises(UserError, match=r"type data\.source\.size=160"):
        source.prepare()


def test_without_data_and_network_both_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: nothing listens
    with pytest.raises(UserError) as caught:
        Imagenette(str(tmp_path), None, "full", 0).prepare()
    for words in (
        f"data.root={tmp_path}: neither holds nor is imagenette2/",
        "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2.tgz (md5 fe2fc210e6bb7c5664d602c3cd71e612)",
        f"put it into {tmp_path} as imagenette2.tgz",
    ):
        assert words in str(caught.value)


def test_names_and_checksums_are_those_of_other_libraries() -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    info = pytest.importorskip("timm.data").ImageNetInfo()
    for code, word in (Imagenette.words | Imagewoof.words).items():
        assert info.label_name_to_description(code).split(",")[0] == word
    theirs = {size: md5 for size, (_, md5) in datasets.Imagenette._ARCHIVES.items()}
    ours = {size if size == "full" else f"{size}px": md5 for size, md5 in Imagenette.md5.items()}
    assert ours == theirs


@pytest.mark.real
@pytest.mark.skipif("DATA_ROOT" not in os.environ, reason="DATA_ROOT is not set: needs imagenette2-160")
class TestReal:
    def test_published_counts_and_every_image_decodes(self, tmp_path: Path) -> None:
        source = opened(Path(os.environ["DATA_ROOT"]))
        splits = source.splits()
        assert (len(splits["train"]), len(splits["val"])) == (9469, 3925)
        assert source.classes[4] == "church"
        assert inspect(source, np.arange(len(source)), tmp_path).unreadable == ()

    def test_gray_images_come_out_as_three_equal_channels(self) -> None:
        source = opened(Path(os.environ["DATA_ROOT"]))
        gray = [i for i in range(len(source)) if Image.open(source.path(i)).mode == "L"]
        assert len(gray) == 242
        for index in gray[:20]:
            image = source.read(index)["image"]
            assert image.shape[2] == 3
            assert (image == image[..., :1]).all()

    @pytest.mark.parametrize(("noise", "wrong"), [(1, 0.01), (5, 0.05), (25, 0.25), (50, 0.5)])
    def test_so_many_labels_are_wrong(self, noise: int, wrong: float) -> None:
        clean, noisy = (opened(Path(os.environ["DATA_ROOT"]), noise=value) for value in (0, noise))
        train, val = clean.splits()["train"], clean.splits()["val"]
        assert (clean.labels()[train] != noisy.labels()[train]).mean() == pytest.approx(wrong, rel=0.15)
        np.testing.assert_array_equal(clean.labels()[val], noisy.labels()[val])

    def test_a_tenth_of_train_validates_and_the_published_val_tests(self) -> None:
        source = opened(Path(os.environ["DATA_ROOT"]))
        splits = make_splits(source, val_fraction=0.1, test_fraction=0.2, folds=5, fold=None, limit=None)
        assert {name: len(indices) for name, indices in splits.items()} == {"train": 8522, "val": 947, "test": 3925}
        np.testing.assert_array_equal(splits["test"], source.splits()["val"])
