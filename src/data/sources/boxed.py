"""Images with objects in boxes, whatever the files say it in; the object of a sample is the largest of its image."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from src.data.decode import Unreadable, decode, reduced_sizes
from src.data.sources.base import BadRow, Indices, Sample, Source
from src.data.sources.box_reading import BoxFormat, BoxUnits, first_pixel_alone, questions
from src.data.sources.marked import Marked, Picture, area, as_array, clipped
from src.data.sources.table_rows import in_order
from src.data.split_names import by_split, split_named
from src.errors import UserError

NOTHING = "nothing"


class BoxedImages(Source):
    """Samples with the largest object of an image as `label` and `box`, and all objects as `labels` and `boxes`.

    Class 0 is `nothing`, that of images without an object. `objects=single` leaves images with several out. A box that
    reaches at most `tolerance` pixels beyond its image is clipped to it: annotators round, or count from 1. One that
    reaches further, has no area or belongs to no class is a wrong annotation; it goes to `bad_rows`, and an image that
    has nothing else is left out. Boxes are in pixels or relative to the image (`box_units`); boxes that can hardly be
    meant so are asked about in `remarks`, where what is left out is counted too.
    """

    targets: ClassVar[tuple[str, ...]] = ("label", "box", "boxes", "labels")
    box_formats: ClassVar[tuple[BoxFormat, ...]] = ("xyxy",)
    """What four numbers can be in the annotations of this kind: the first, unless `box_format` says another."""

    def __init__(
        self,
        root: str,
        *,
        classes: Sequence[str] | None,
        objects: Literal["largest", "single"],
        box_units: BoxUnits,
        tolerance: float,
        channels: int,
    ) -> None:
        self.root = Path(root).expanduser()
        self.box_units, self.box_format = box_units, self.box_formats[0]
        self.names, self.objects, self.tolerance, self.channels = classes, objects, tolerance, channels
        if classes is not None and NOTHING in classes:
            raise UserError(f"data.source.classes: {NOTHING} is class 0 by itself; name the others")
        self._files: list[str] = []
        self._sizes = np.empty((0, 2), np.int64)
        self._all_boxes: list[NDArray[np.float32]] = []  # (N, 4) in pixels, the largest first
        self._all_labels: list[NDArray[np.int64]] = []
        self._splits: dict[str, Indices] = {}

    @abstractmethod
    def pictures(self, bad: list[BadRow]) -> Iterable[Picture]:
        """Return the annotated images, and add to `bad` what cannot be understood."""

    def class_names(self, pictures: Sequence[Picture]) -> tuple[str, ...]:
        """Return the names of the classes without `nothing`: those of the configuration, else all that occur."""
        found = {marked.name for picture in pictures for marked in picture.objects}
        return in_order(found) if self.names is None else tuple(self.names)

    def setup(self) -> None:
        """Read the annotations and the images' sizes. Raises UserError where no image with an object is left."""
        bad: list[BadRow] = []
        remarks: Counter[str] = Counter()
        pictures = by_folder(_once_each(self.pictures(bad), bad, remarks), remarks)
        self.classes = (NOTHING, *self.class_names(pictures))
        twice = sorted({name for name in self.classes if self.classes.count(name) > 1})
        if twice:
            raise UserError(
                f"data.root={self.root}: the class {', '.join(twice)} is there twice; {NOTHING} is class 0 by itself, "
                "and every other class has a name of its own"
            )
        asked = self._questions(pictures)
        kept = [picture for picture in pictures if self._is_kept(picture, bad, remarks)]
        self.bad_rows = tuple(bad)
        self.remarks = (*asked, *self.noticed(), *(f"{what}: {count}" for what, count in remarks.items()))
        self.classes = (NOTHING, *self.class_names(kept))  # without those that only wrong annotations name
        if not any(picture.objects for picture in kept):
            lines = [*(f"{row.place}: {row.reason}" for row in bad[:20]), *self.remarks]
            missing = f"data.root={self.root}: no image with an object in a box is left"
            raise UserError("\n  ".join([missing, *lines]))
        self._take_over(kept)

    def noticed(self) -> Iterable[str]:
        """Return what else a person should know of how the annotations were read; known after `pictures`."""
        return ()

    def _questions(self, pictures: Sequence[Picture]) -> list[str]:
        if self.box_units == "pixels" and (message := first_pixel_alone(pictures)):
            raise UserError(f"data.root={self.root}: {message}")
        return questions(pictures, self.tolerance, self.box_format, self.box_units, forms=self.box_formats)

    def _take_over(self, kept: Sequence[Picture]) -> None:
        numbers = {name: number for number, name in enumerate(self.classes)}
        self._files = [picture.file for picture in kept]
        self._sizes = np.array([picture.size for picture in kept], np.int64).reshape(-1, 2)
        self._all_boxes = [as_array(picture.objects) for picture in kept]
        self._all_labels = [np.array([numbers[one.name] for one in picture.objects], np.int64) for picture in kept]
        splits = np.array([picture.split for picture in kept])
        self._splits = {str(name): np.flatnonzero(splits == name) for name in np.unique(splits)}

    def _is_kept(self, picture: Picture, bad: list[BadRow], remarks: Counter[str]) -> bool:
        """Clip and sort the objects of an image, and tell whether it becomes a sample."""
        sound = []
        for marked in picture.objects:
            reason = self._fault(marked, *picture.size)
            if reason is None:
                sound.append(Marked(marked.name, clipped(marked.corners, *picture.size), marked.place))
            else:
                bad.append(BadRow(marked.place, reason))
        spoiled = picture.spoiled or len(sound) < len(picture.objects)
        picture.objects = sorted(sound, key=lambda marked: -area(marked.corners))
        if picture.unused and not sound and not spoiled:
            remarks[f"images that show only {picture.unused}, left out since that is not nothing"] += 1
        elif len(sound) > 1 and self.objects == "single":
            remarks["images with several objects, left out by data.source.objects=single"] += 1
        else:
            return bool(sound) or not spoiled
        return False

    def _fault(self, marked: Marked, height: int, width: int) -> str | None:
        x0, y0, x1, y1 = marked.corners
        box = f"the box ({x0:g}, {y0:g}) to ({x1:g}, {y1:g})"
        if marked.name not in self.classes:
            return f"no such class: {marked.name}; data.source.classes has {', '.join(self.classes[1:])}"
        if not all(map(math.isfinite, marked.corners)):
            return f"{box} is not finite"
        if x1 <= x0 or y1 <= y0:
            return f"{box} has no area"
        beyond = max(-x0, -y0, x1 - width, y1 - height)
        left, top, right, bottom = clipped(marked.corners, height, width)
        if beyond > self.tolerance or left >= right or top >= bottom:
            return f"{box} lies outside the image of {width} x {height} pixels"
        return None

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> Sample:
        """Decode one image. Raises Unreadable where its size is not that of its annotation."""
        path = self.path(index)
        image = decode(path, self.channels, self.at_least, self.span)
        height, width = self._sizes[index].tolist()
        if image.shape[:2] not in reduced_sizes(height, width, self.at_least):
            found = f"{image.shape[1]} x {image.shape[0]}"
            raise Unreadable(f"is {found} pixels large, but annotated as {width} x {height}", path)
        labels = self._all_labels[index]
        scale = np.tile([image.shape[1] / width, image.shape[0] / height], 2)  # 1, but for a reduced image
        return {
            "image": image,
            "label": int(labels[0]) if len(labels) else 0,
            "box": self.boxes(np.array([index]))[0],
            "boxes": (self._all_boxes[index] * scale).astype(np.float32),
            "labels": labels.copy(),
            "index": index,
            "path": str(path),
        }

    def labels(self) -> NDArray[np.int64]:
        """Return the class of the largest object of every image."""
        return np.array([labels[0] if len(labels) else 0 for labels in self._all_labels], np.int64)

    def boxes(self, indices: Indices) -> NDArray[np.float32]:
        """Return the box of the largest object, relative."""
        found = [self._all_boxes[index][0] if len(self._all_boxes[index]) else np.zeros(4) for index in indices]
        sizes = np.tile(self._sizes[indices][:, ::-1], 2)  # width, height, width, height
        return np.clip(np.array(found).reshape(-1, 4) / sizes, 0, 1).astype(np.float32)

    def sizes(self, indices: Indices) -> NDArray[np.int64]:
        """Return the height and width of images."""
        return self._sizes[indices]

    def splits(self) -> Mapping[str, Indices]:
        """Return the splits that the annotations name, or `all`."""
        return self._splits

    def path(self, index: int) -> Path:
        """Return the image file."""
        return self.root / self._files[index]

    def annotation(self, index: int) -> bytes:
        """Return all boxes and labels of an image, for the digest of the data."""
        return self._all_boxes[index].tobytes() + self._all_labels[index].tobytes()


def _once_each(pictures: Iterable[Picture], bad: list[BadRow], remarks: Counter[str]) -> list[Picture]:
    """Return every image once: one that is of another split before is wrong, one that is listed again is counted."""
    found: dict[str, Picture] = {}
    for picture in pictures:
        known = found.setdefault(picture.file, picture)
        if known.split != picture.split:
            reason = f"{picture.file} is of the split {picture.split} here and of {known.split} before"
            bad.append(BadRow(picture.place, reason))
        elif known is not picture:
            remarks["images that are listed more than once, used once"] += 1
    return list(found.values())


def by_folder(pictures: list[Picture], remarks: Counter[str]) -> list[Picture]:
    """Return images of which no annotation names a split, divided by their folders where those are named after splits.

    Folders that look like it while other images lie elsewhere are named.
    """
    if any(picture.split != "all" for picture in pictures):
        return pictures
    folders = [next(filter(split_named, reversed(picture.file.split("/")[:-1])), None) for picture in pictures]
    splits = by_split(dict.fromkeys(filter(None, folders)))
    of_folder = {name: split for split, names in splits.items() for name in names}
    if None not in folders and "train" in splits and len(splits) > 1:
        for picture, folder in zip(pictures, folders, strict=True):
            picture.split = of_folder[str(folder)]
    elif of_folder:
        where = ", ".join(f"{name}/" for name in of_folder)
        remarks[f"no splits are named; images in folders that look like it ({where}), taken like all others"] = len(
            [folder for folder in folders if folder]
        )
    return pictures
