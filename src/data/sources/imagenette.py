"""Imagenette and Imagewoof: ten classes of ImageNet each, easy and hard (github.com/fastai/imagenette)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from src.data.sources.folder import Folder
from src.download import Remote, fetch
from src.errors import UserError

_SERVER = "https://s3.amazonaws.com/fast-ai-imageclas/"


class Imagenette(Folder):
    """Ten easily told classes: 9,469 images for training and 3,925 published for validation, which test here.

    `root` holds the folder `imagenette2-160` (-320, none) or is that folder. `size` is the shorter side of the images.
    `noise` percent of the training labels are wrong, as the published csv has them; the published val set is clean.
    `classes` are named by word or by folder.
    """

    name: ClassVar[str] = "imagenette"
    words: ClassVar[Mapping[str, str]] = {
        "n01440764": "tench",
        "n02102040": "English springer",
        "n02979186": "cassette player",
        "n03000684": "chain saw",
        "n03028079": "church",
        "n03394916": "French horn",
        "n03417042": "garbage truck",
        "n03425413": "gas pump",
        "n03445777": "golf ball",
        "n03888257": "parachute",
    }
    md5: ClassVar[dict[int | str, str]] = {  # as torchvision.datasets.Imagenette has them
        160: "e793b78cc4c9e9a4ccc0c1155377a412",
        320: "3df6f0d01a2c9592104656642f5e78a3",
        "full": "fe2fc210e6bb7c5664d602c3cd71e612",
    }
    image_size = 128

    def __init__(
        self,
        root: str,
        classes: list[str] | None,
        size: Literal[160, 320, "full"],
        noise: Literal[0, 1, 5, 25, 50],
    ) -> None:
        if noise and classes is not None:
            raise UserError(f"data.source.noise={noise} mixes all ten classes up; leave out data.source.classes")
        super().__init__(root, classes, channels=3, splits="auto", range="full")
        self.size, self.noise = size, noise

    def prepare(self) -> None:
        """Download the archive of this size into `root` unless its folder is there."""
        if self._place() is not None:
            return
        name = self._folder_name(self.size)
        try:
            fetch(Remote((f"{_SERVER}{name}.tgz",), f"md5:{self.md5[self.size]}"), self.root / name)
        except UserError as error:
            raise UserError(f"data.root={self.root}: neither holds nor is {name}/, and {error}") from error

    def setup(self) -> None:
        """List the files and name the classes. Raises UserError where the folder or the table of noise is missing."""
        place = self._place()
        if place is None:
            raise UserError(f"data.root={self.root}: neither holds nor is {self._folder_name(self.size)}/")
        self.root = place
        super().setup()
        if self.noise:
            self._set_noisy_labels()

    def _folder_name(self, size: int | str) -> str:
        return f"{self.name}2" if size == "full" else f"{self.name}2-{size}"

    def _place(self) -> Path | None:
        """Return the folder with train/ and val/. Raises UserError where `root` is the folder of another size."""
        inside = self.root / self._folder_name(self.size)
        if inside.is_dir():
            return inside
        if not any((self.root / "train" / code).is_dir() for code in self.words):
            return None
        for size in self.md5:
            if self.root.absolute().name == self._folder_name(size) and size != self.size:
                raise UserError(
                    f"data.root={self.root} has the size {size}, not data.source.size={self.size}: "
                    f"type data.source.size={size}, or data.root={self.root.absolute().parent}"
                )
        return self.root

    def _set_noisy_labels(self) -> None:
        """Replace the labels of train by a column of the csv beside it: path, noisy_labels_0, ..., noisy_labels_50."""
        table = self.root / f"noisy_{self.name}.csv"
        try:
            with table.open(newline="", encoding="utf-8") as file:
                codes = {row["path"]: row[f"noisy_labels_{self.noise}"] for row in csv.DictReader(file)}
        except OSError as error:
            raise UserError(f"data.source.noise={self.noise} needs {table}: {error.strerror}") from error
        except KeyError as error:
            raise UserError(f"{table}: no column {error}, which data.source.noise={self.noise} needs") from error
        words = {word: code for code, word in self.words.items()}
        numbers = {words.get(name, name): number for number, name in enumerate(self.classes)}
        for index in self.splits()["train"]:
            name = self.path(index).relative_to(self.root).as_posix()
            if codes.get(name) not in numbers:
                raise UserError(f"{table}: no label of noisy_labels_{self.noise} for {name}")
            self._labels[index] = np.int64(numbers[codes[name]])


class Imagewoof(Imagenette):
    """Ten breeds of dogs: 9,025 images for training and 3,929 published for validation, which test here."""

    name = "imagewoof"
    words: ClassVar[Mapping[str, str]] = {
        "n02086240": "Shih-Tzu",
        "n02087394": "Rhodesian ridgeback",
        "n02088364": "beagle",
        "n02089973": "English foxhound",
        "n02093754": "Border terrier",
        "n02096294": "Australian terrier",
        "n02099601": "golden retriever",
        "n02105641": "Old English sheepdog",
        "n02111889": "Samoyed",
        "n02115641": "dingo",
    }
    md5: ClassVar[dict[int | str, str]] = {
        160: "3d200a7be99704a0d7509be2a9fbfe15",
        320: "0f46d997ec2264e97609196c95897a44",
        "full": "9aafe18bcdb1632c4249a76c458465ba",
    }
