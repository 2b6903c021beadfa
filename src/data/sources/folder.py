"""A folder per class, with or without train/, val/ and test/ above them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from src.data.decode import IMAGE_SUFFIXES, decode
from src.data.sources.base import Indices, Sample, Source
from src.errors import UserError

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What a split is called in folders and tables, in lower case, and what we call it."""


class Folder(Source):
    """Images in a folder named after their class, at any depth below it; hidden files are left alone.

    `root/cat/1.jpg`, or `root/train/cat/1.jpg` beside `root/val` (valid, validation) and `root/test`. Classes are the
    sorted names of the folders, those of train where there are splits; with `classes` only those, by the name of the
    folder or of the class. The class is the `identity` too, so that any class folder serves to learn who is who.
    """

    targets: ClassVar[tuple[str, ...]] = ("label", "identity")
    words: ClassVar[Mapping[str, str]] = {}
    """What a class is called whose folder has another name."""

    def __init__(self, root: str, classes: list[str] | None, channels: Annotated[int, Ge(1)]) -> None:
        self.root = Path(root).expanduser()
        self.only, self.channels = classes, channels
        self._files: list[str] = []
        self._labels: NDArray[np.int64] = np.empty(0, np.int64)
        self._splits: dict[str, Indices] = {}

    def setup(self) -> None:
        """List the files. Raises UserError where a class has no images, or there are fewer than two classes."""
        folders = split_folders(self.root)
        found = {split: images_by_class(folder) for split, folder in folders.items()}
        leading, *others = folders  # train, or all
        if self.only is not None:
            chosen = self._chosen(self.only, folders[leading], list(found[leading]))
            found = {
                split: {name: classes[name] for name in chosen if name in classes} for split, classes in found.items()
            }
        check_classes(self.root, folders[leading], found[leading])
        for split in others:
            _check_against_train(folders[split], found[split], tuple(found[leading]))
        self._list(tuple(found[leading]), found)

    def _list(self, classes: tuple[str, ...], found: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        """Take over the files found: by split, then by class."""
        self.classes = tuple(self.words.get(name, name) for name in classes)
        numbers = {name: number for number, name in enumerate(classes)}
        files: list[str] = []
        labels: list[int] = []
        self._splits = {}
        for split, by_class in found.items():
            start = len(files)
            for name, members in by_class.items():
                files += members
                labels += [numbers[name]] * len(members)
            self._splits[split] = np.arange(start, len(files))
        self._files, self._labels = files, np.array(labels, np.int64)

    def _chosen(self, only: Sequence[str], folder: Path, there: Sequence[str]) -> list[str]:
        """Return the folders of the classes that are named, in the folders' order. Raises UserError for others."""
        names = {self.words.get(name, name): name for name in there} | {name: name for name in there}
        unknown = [name for name in only if name not in names]
        if unknown:
            near = [meant for name in unknown for meant in difflib.get_close_matches(name, names, n=1)]
            hint = f"; did you mean {_listed(near)}?" if near else f"; there are {_listed(list(names))}"
            raise UserError(f"data.source.classes: {folder} has no class {_listed(unknown)}{hint}")
        wanted = {names[name] for name in only}
        return [name for name in there if name in wanted]

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> Sample:
        """Decode one image."""
        path = self.path(index)
        label = int(self._labels[index])
        image = decode(path, self.channels, self.at_least)
        return {"image": image, "label": label, "identity": label, "index": index, "path": str(path)}

    def labels(self) -> NDArray[np.int64]:
        """Return the class of every image."""
        return self._labels

    def identities(self) -> NDArray[np.int64]:
        """Return the class of every image: whoever it shows."""
        return self._labels

    def splits(self) -> Mapping[str, Indices]:
        """Return the splits that have a folder, or `all`."""
        return self._splits

    def path(self, index: int) -> Path:
        """Return the image file."""
        return Path(self._files[index])


def split_folders(root: Path) -> dict[str, Path]:
    """Return the folder of each split, or `all` for the root itself."""
    folders: dict[str, Path] = {}
    for folder in _folders(root):
        split = SPLIT_NAMES.get(folder.name.lower())
        if split in folders:
            raise UserError(f"{root}: {folders[split].name}/ and {folder.name}/ are both the {split} split; remove one")
        if split is not None:
            folders[split] = folder
    if "train" in folders:
        return {split: folders[split] for split in ("train", "val", "test") if split in folders}
    if folders and len(folders) == len(_folders(root)):
        raise UserError(f"data.root={root}: there is {_listed(sorted(folders))} but no train")
    return {"all": root}


def check_classes(root: Path, folder: Path, found: Mapping[str, list[str]]) -> None:
    """Refuse what is no collection of classes, saying what it looks like instead."""
    names = list(found)
    if not any(found.values()):
        expected = f"a folder per class is expected, such as {folder / 'cat' / '1.jpg'}"
        loose = next(_images(folder), None)
        if loose is None:
            raise UserError(f"data.root={root}: no images in it; {expected}")
        raise UserError(f"data.root={root}: images such as {loose} lie directly in it, without a class; {expected}")
    if len(names) == 1:
        inner = _folders(folder / names[0])
        meant = f"; did you mean data.root={folder / names[0]}?" if len(inner) >= 2 else ""
        raise UserError(f"{folder}: only one class, {names[0]}; at least two are needed{meant}")
    check_empty(folder, found)


def _check_against_train(folder: Path, found: Mapping[str, list[str]], classes: Sequence[str]) -> None:
    foreign = [name for name in found if name not in classes]
    if foreign:
        raise UserError(f"{folder}: {_listed(foreign)}: no such class in train, which has {_listed(classes)}")
    if not found:
        raise UserError(f"{folder}: no class folders; remove it if there are no images for it")
    check_empty(folder, found)


def check_empty(folder: Path, found: Mapping[str, list[str]]) -> None:
    empty = [f"{folder / name}" for name, files in found.items() if not files]
    if empty:
        raise UserError(f"no images in the class folder {_listed(empty)}: add some, or remove the folder")


def images_by_class(folder: Path) -> dict[str, list[str]]:
    return {child.name: list(_images(child)) for child in _folders(folder)}


def _folders(folder: Path) -> list[Path]:
    """Return the visible folders in `folder`, sorted."""
    try:
        children = [entry.name for entry in os.scandir(folder) if entry.is_dir() and not _is_hidden(entry.name)]
    except OSError as error:
        raise UserError(missing_folder(folder, error)) from None
    return [folder / name for name in sorted(children)]


def missing_folder(folder: Path, error: OSError) -> str:
    """Return the message for a data folder that cannot be listed, with the part of its path that does exist."""
    if not isinstance(error, FileNotFoundError):
        return f"data.root={folder}: {error.strerror}"
    parent = next(parent for parent in folder.absolute().parents if parent.is_dir())
    inside = [child.name for child in sorted(parent.iterdir()) if child.is_dir() and not _is_hidden(child.name)]
    near = difflib.get_close_matches(folder.absolute().relative_to(parent).parts[0], inside, n=1)
    hint = (
        f"did you mean {parent / near[0]}?" if near else f"{parent} exists and holds {_listed(inside) or 'no folders'}"
    )
    return f"data.root={folder}: no such folder; {hint}"


def _images(folder: Path) -> Iterator[str]:
    """Yield the image files below `folder`, sorted within each folder."""
    for here, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for name in sorted(names):
            if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not _is_hidden(name):  # noqa: PTH122
                yield f"{here}{os.sep}{name}"


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _listed(names: Sequence[str], shown: int = 10) -> str:
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")
