"""Images with objects in boxes, whatever the files say it in; the object of a sample is the largest of its image."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from src.data.decode import Unreadable, decode, reduced_sizes
from src.data.sources.base import BadRow, Indices, Sample, Source
from src.data.sources.table_rows import in_order
from src.errors import UserError

NOTHING = "nothing"

Corners = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in pixels: a box from one corner of the image to the other is (0, 0, width, height)."""


@dataclass(frozen=True)
class Marked:
    """An object as an annotation has it, and where it stands there."""

    name: str
    corners: Corners
    place: str


@dataclass
class Picture:
    """An annotated image: its file, height and width, its split (`all` where none is named), and what it shows."""

    file: str
    size: tuple[int, int]
    split: str
    objects: list[Marked] = field(default_factory=list)
    spoiled: bool = False
    """Whether an annotation of it was wrong: what it shows without that is not known to be nothing."""


class BoxedImages(Source):
    """Samples with the largest object of an image as `label` and `box`, and all objects as `labels` and `boxes`.

    Class 0 is `nothing`, that of images without an object. `objects=single` leaves images with several out. A box that
    reaches at most `tolerance` pixels beyond its image is clipped to it: annotators round, or count from 1. One that
    reaches further, has no area or belongs to no class is a wrong annotation; it goes to `bad_rows`, and an image that
    has nothing else is left out.
    """

    targets: ClassVar[tuple[str, ...]] = ("label", "box", "boxes", "labels")

    def __init__(
        self,
        root: str,
        *,
        classes: Sequence[str] | None,
        objects: Literal["largest", "single"],
        tolerance: float,
        channels: int,
    ) -> None:
        self.root = Path(root).expanduser()
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
        pictures = list(self.pictures(bad))
        self.classes = (NOTHING, *self.class_names(pictures))
        twice = sorted({name for name in self.classes if self.classes.count(name) > 1})
        if twice:
            raise UserError(
                f"data.root={self.root}: the class {', '.join(twice)} is there twice; {NOTHING} is class 0 by itself, "
                "and every other class has a name of its own"
            )
        kept = [picture for picture in pictures if self._is_kept(picture, bad)]
        self.bad_rows = tuple(bad)
        self.classes = (NOTHING, *self.class_names(kept))  # without those that only wrong annotations name
        if not any(picture.objects for picture in kept):
            lines = [f"  {row.place}: {row.reason}" for row in bad[:20]]
            raise UserError("\n".join([f"data.root={self.root}: no image with an object in a box is left", *lines]))
        numbers = {name: number for number, name in enumerate(self.classes)}
        self._files = [picture.file for picture in kept]
        self._sizes = np.array([picture.size for picture in kept], np.int64).reshape(-1, 2)
        self._all_boxes = [_array(picture.objects) for picture in kept]
        self._all_labels = [np.array([numbers[one.name] for one in picture.objects], np.int64) for picture in kept]
        splits = np.array([picture.split for picture in kept])
        self._splits = {str(name): np.flatnonzero(splits == name) for name in np.unique(splits)}

    def _is_kept(self, picture: Picture, bad: list[BadRow]) -> bool:
        """Clip and sort the objects of an image, and tell whether it becomes a sample."""
        sound = []
        for marked in picture.objects:
            reason = self._fault(marked, *picture.size)
            if reason is None:
                sound.append(Marked(marked.name, _clipped(marked.corners, *picture.size), marked.place))
            else:
                bad.append(BadRow(marked.place, reason))
        spoiled = picture.spoiled or len(sound) < len(picture.objects)
        picture.objects = sorted(sound, key=lambda marked: -_area(marked.corners))
        if spoiled and not sound:
            return False
        return self.objects == "largest" or len(sound) <= 1

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
        clipped = _clipped(marked.corners, height, width)
        if beyond > self.tolerance or clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
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


def is_file(path: Path | str) -> bool:
    """Tell whether a file is there, in half of the time of Path's own, for every row of a long table."""
    return os.path.isfile(f"{path}")  # noqa: PTH113


def _array(objects: Sequence[Marked]) -> NDArray[np.float32]:
    return np.array([marked.corners for marked in objects], np.float32).reshape(-1, 4)


def _clipped(corners: Corners, height: int, width: int) -> Corners:
    x0, y0, x1, y1 = corners
    return max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)


def _area(corners: Corners) -> float:
    return (corners[2] - corners[0]) * (corners[3] - corners[1])
