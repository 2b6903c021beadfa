"""A folder per class, with or without train/, val/ and test/ above them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Len
from numpy.typing import NDArray

from src.data.decode import decode
from src.data.listing import Listing, first_image, list_images
from src.data.sources.base import Indices, Sample, Source
from src.data.sources.folder_layout import find_layout, folders_in
from src.data.sources.foreign import beside, foreign_set
from src.errors import UserError, listed
from src.files import printable

_PICTURES = frozenset({"images", "image", "imgs", "img"})
_MASKS = frozenset({"masks", "mask", "labels", "annotations", "segmentation", "segmentations", "trimaps", "gt"})


class Folder(Source):
    """Images in a folder named after their class, at any depth below it; hidden files are left alone.

    `root/cat/1.jpg`, or `root/train/cat/1.jpg` beside `root/val` and `root/test` (by their usual names, see
    `split_names`; `splits` names others, or says that there are none). Classes are the sorted names of the folders,
    those of train where there are splits; with `classes` only those, by the name of the folder or of the class. The
    class is the `identity` too, so that any class folder serves to learn who is who.
    """

    targets: ClassVar[tuple[str, ...]] = ("label", "identity")
    words: ClassVar[Mapping[str, str]] = {}
    """What a class is called whose folder has another name."""

    def __init__(
        self,
        root: str,
        classes: list[str] | None,
        channels: Annotated[int, Ge(1)],
        splits: Literal["auto", "none"] | dict[str, str],
        range: Literal["auto", "full"] | Annotated[list[float], Len(2, 2)],
    ) -> None:
        self.root, self.range = Path(root).expanduser(), range
        self.only, self.channels, self.told_splits = classes, channels, splits
        self._files: list[str] = []
        self._labels: NDArray[np.int64] = np.empty(0, np.int64)
        self._splits: dict[str, Indices] = {}

    def setup(self) -> None:
        """List the files. Raises UserError where a class has no images, or there are fewer than two classes."""
        try:
            self._find()
        except UserError as error:
            foreign = foreign_set(self.root) if self.root.is_dir() else None
            if foreign is None:
                raise
            raise UserError(foreign) from error

    def _find(self) -> None:
        layout = find_layout(self.root, self.told_splits, self.only or ())
        folders, listing = layout.splits, Listing()
        found = {split: images_by_class(folder, listing) for split, folder in folders.items()}
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
        self.remarks = (*layout.remarks, *class_remarks(self.root, found[leading], listing))

    def _list(self, classes: tuple[str, ...], found: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        """Take over the files found: by split, then by class."""
        self.classes = tuple(self.words.get(name, printable(name)) for name in classes)
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
        names = {self.words.get(name, printable(name)): name for name in there} | {name: name for name in there}
        unknown = [name for name in only if name not in names]
        if unknown:
            near = [meant for name in unknown for meant in difflib.get_close_matches(name, names, n=1)]
            hint = f"; did you mean {listed(near)}?" if near else f"; there are {listed(list(names))}"
            raise UserError(f"data.source.classes: {folder} has no class {listed(unknown)}{hint}")
        wanted = {names[name] for name in only}
        return [name for name in there if name in wanted]

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> Sample:
        """Decode one image."""
        path = self.path(index)
        label = int(self._labels[index])
        image = decode(path, self.channels, self.at_least, self.span)
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


def check_classes(root: Path, folder: Path, found: Mapping[str, list[str]]) -> None:
    """Refuse what is no collection of classes, saying what it looks like instead."""
    names = list(found)
    if not any(found.values()):
        expected = f"a folder per class is expected, such as {folder / 'cat' / '1.jpg'}{beside(folder)}"
        loose = first_image(folder)
        if loose is None:
            raise UserError(f"data.root={root}: no images in it; {expected}")
        raise UserError(f"data.root={root}: images such as {loose} lie directly in it, without a class; {expected}")
    if len(names) == 1:
        inner = folder / names[0]
        while len(below := folders_in(inner)) == 1:
            inner = below[0]
        meant = f"; did you mean data.root={inner}?" if len(below) >= 2 else beside(folder)
        raise UserError(f"{folder}: only one class, {names[0]}; at least two are needed{meant}")
    check_empty(folder, found)


def _check_against_train(folder: Path, found: Mapping[str, list[str]], classes: Sequence[str]) -> None:
    foreign = [name for name in found if name not in classes]
    leave = "remove it, or name the splits that there are: data.source.splits={train: FOLDER}"
    if foreign:
        spelt = {name.casefold(): name for name in classes}
        near = [spelt[name.casefold()] for name in foreign if name.casefold() in spelt]
        hint = f"; is it {listed(near)}, spelt otherwise?" if near else f", which has {listed(classes)}"
        raise UserError(f"{folder}: {listed(foreign)}: no such class in train{hint}")
    if not found:
        raise UserError(f"{folder}: no class folders; {leave}")
    check_empty(folder, found)


def check_empty(folder: Path, found: Mapping[str, list[str]]) -> None:
    """Raise UserError where a class folder is empty."""
    empty = [f"{folder / name}" for name, files in found.items() if not files]
    if empty:
        raise UserError(f"no images in the class folder {listed(empty)}: add some, or remove the folder")


def class_remarks(root: Path, found: Mapping[str, list[str]], listing: Listing) -> list[str]:
    """Return what a person should know of class folders: files left out, and names that are easily mistaken."""
    remarks = []
    if (left_out := listing.left_out()) is not None:
        remarks.append(f"{root}: {left_out}")
    if twice := alike_but_for_case(found):
        remarks.append(f"{root}: classes that differ in upper and lower case only: {listed(twice)}")
    masks = sorted(name for name in found if name.lower() in _MASKS)
    if masks and any(name.lower() in _PICTURES for name in found):
        remarks.append(f"{root}: the classes {listed(list(found))} look like images and their masks, not like classes")
    return remarks


def images_by_class(folder: Path, listing: Listing) -> dict[str, list[str]]:
    """Return the images below each folder in `folder`, and add to `listing` what is there besides."""
    found = {}
    for child in folders_in(folder):
        below = list_images(child)
        found[child.name] = below.images
        listing += below
    return found


def alike_but_for_case(names: Iterable[str]) -> list[str]:
    """Return names, as pairs for people, that differ in upper and lower case alone."""
    spelt: dict[str, list[str]] = {}
    for name in names:
        spelt.setdefault(name.casefold(), []).append(name)
    return [" and ".join(members) for members in spelt.values() if len(members) > 1]
