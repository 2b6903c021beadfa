"""COCO: a JSON file of images, categories and objects per split (Lin et al. 2014)."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Len

from src.data.decode import Unreadable
from src.data.image_size import image_size
from src.data.listing import missing_folder
from src.data.sources.base import BadRow
from src.data.sources.box_reading import BoxFormat, corners
from src.data.sources.boxed import BoxedImages
from src.data.sources.coco_categories import Categories, key
from src.data.sources.coco_layout import Part, coco_layout
from src.data.sources.coco_objects import written_box
from src.data.sources.json_kinds import what_it_is
from src.data.sources.marked import Marked, Picture
from src.data.sources.picture_files import PictureFiles
from src.errors import UserError

Entry = Mapping[str, Any]
_LISTS = ("images", "annotations", "categories")


class Coco(BoxedImages):
    """Objects with `bbox` (x, y, width, height); an image may show nothing.

    `annotations` and `images` are a file and a folder below `root`; `{split}` in them stands for any usual name of a
    split. With `auto` they are found by what the files say. Classes are the categories in the order of their ids. An
    object without `bbox` has the box around its `segmentation`. Crowds (`iscrowd`) are no objects, unless
    `crowds=objects`; an image that shows nothing else does not show nothing.
    """

    box_formats: ClassVar[tuple[BoxFormat, ...]] = ("xywh",)

    def __init__(
        self,
        root: str,
        annotations: str,
        images: str,
        classes: list[str] | None,
        objects: Literal["largest", "single"],
        crowds: Literal["skip", "objects"],
        box_units: Literal["pixels", "relative"],
        tolerance: Annotated[float, Ge(0)],
        channels: Annotated[int, Ge(1)],
        range: Literal["auto", "full"] | Annotated[list[float], Len(2, 2)],
    ) -> None:
        super().__init__(
            root, classes=classes, objects=objects, box_units=box_units, tolerance=tolerance, channels=channels
        )
        self.range = range
        self.annotations, self.images, self.crowds = annotations, images, crowds
        self._categories = Categories()
        self._noticed: Counter[str] = Counter()

    def pictures(self, bad: list[BadRow]) -> Iterable[Picture]:
        """Read the annotations of all splits."""
        try:
            list(self.root.iterdir())
        except OSError as error:
            raise UserError(missing_folder(self.root, error)) from None
        self._categories, self._noticed = Categories(), Counter()
        layout = coco_layout(self.root, self.annotations, self.images)
        for path in layout.unused:
            self._noticed[f"{path} is in COCO's form too, and not used"] = 0
        for part in layout.parts:
            yield from _File(self, part, self._categories, self._noticed).pictures(bad)

    def class_names(self, pictures: object) -> tuple[str, ...]:
        """Return the categories in the order of their ids, those that no image shows too."""
        return tuple(self.names) if self.names is not None else self._categories.classes()

    def noticed(self) -> Iterable[str]:
        """Return what was left out, and what was read otherwise than it is written."""
        return [f"{what}: {count}" if count else what for what, count in self._noticed.items()]


class _File:
    """One file of annotations."""

    def __init__(self, source: Coco, part: Part, categories: Categories, noticed: Counter[str]) -> None:
        self.source, self.part, self.categories, self.noticed = source, part, categories, noticed
        self.files = PictureFiles(source.root, part.images)
        self.names: dict[int | str, str] = {}
        self.found: dict[int | str, Picture | None] = {}
        """The image of each id; None for one that is wrong."""
        self.by_file: dict[str, Picture] = {}

    def pictures(self, bad: list[BadRow]) -> Iterable[Picture]:
        """Return the images with their objects."""
        images, objects = self._content()
        for number, image in enumerate(images):
            reason = self._add_picture(image)
            if reason is not None:
                bad.append(BadRow(f"{self.part.file}: image {image.get('id', f'number {number}')}", reason))
        for number, one in enumerate(objects):
            where = f"{self.part.file}: annotation {one.get('id', f'number {number}')}"
            reason = self._add_object(one, where)
            if reason is not None:
                bad.append(BadRow(where, reason))
        return self.by_file.values()

    def _content(self) -> tuple[list[Entry], list[Entry]]:
        file = self.part.file
        content: Any = None
        try:
            content = json.loads(file.read_bytes())
            images, objects, categories = (_entries(content, name) for name in _LISTS)
            self.names = self.categories.read(categories)
        except (OSError, ValueError) as error:
            raise UserError(f"{file} is no annotation in COCO's form: {type(error).__name__} {error}") from error
        except (KeyError, TypeError, AttributeError) as error:
            known = what_it_is(content) if isinstance(error, KeyError) and error.args[0] in _LISTS else f"{error}"
            known = f"a category has no {known}" if known in ("'id'", "'name'") else known
            raise UserError(f"{file} is no annotation in COCO's form: {known}") from error
        return images, objects

    def _add_picture(self, image: Entry) -> str | None:
        """Take over an image, and return what is wrong with it."""
        name, number = image.get("file_name"), key(image.get("id", ""))
        if not isinstance(name, str) or not name.strip():
            return "it has no file_name"
        if number == "" or number in self.found:
            return "it has no id" if number == "" else f"another image has the id {number} too"
        self.found[number] = None
        try:
            path = self.files.named(name)
        except LookupError as error:
            return str(error.args[0])
        known = self.by_file.get(path)
        if known is None:
            try:
                size = self._size(image, path)
            except (Unreadable, ValueError) as error:
                return str(error)
            where = f"{self.part.file}: image {image.get('id')}"
            known = self.by_file[path] = Picture(path, size, self.part.split, place=where)
        else:
            self.noticed["images that are listed more than once in a file, taken as one with all objects"] += 1
        self.found[number] = known
        return None

    def _size(self, image: Entry, path: str) -> tuple[int, int]:
        """Return the picture's own height and width. Raises ValueError where its annotation is of another size.

        A photograph that a camera has turned has the size that it is shown with, whatever was written of it.
        """
        file = os.path.join(self.source.root, path)  # noqa: PTH118 - for every image of a large set
        own = image_size(file, self.source.channels)
        try:
            stated = int(float(image.get("height") or 0)), int(float(image.get("width") or 0))
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"height and width are {image.get('height')} and {image.get('width')}") from None
        if not all(stated) or stated == own:
            return own
        if stated[::-1] == own:
            self.noticed[
                "images whose stated width and height are those of the file before it is turned for showing (EXIF); "
                "their boxes are taken as of the picture as it is shown"
            ] += 1
            return own
        found, said = (f"{width} x {height}" for height, width in (own, stated))
        raise ValueError(f"{self.source.root / path} is {found} pixels large, but annotated as {said}")

    def _add_object(self, one: Entry, where: str) -> str | None:
        """Add an object to its image, and return what is wrong with it."""
        number = key(one.get("image_id"))
        picture = self.found.get(number)
        if picture is None:  # of a wrong image nothing more need be said
            return None if number in self.found else f"no image has the id {one.get('image_id')}"
        if one.get("iscrowd") and self.source.crowds == "skip":
            picture.unused = "crowds (iscrowd=1; data.source.crowds=objects takes them as objects)"
            return None
        name = self.names.get(key(one.get("category_id")))
        try:
            if name is None:
                raise ValueError(f"no category has the id {one.get('category_id')}")
            box = written_box(one)
        except ValueError as error:
            picture.spoiled = True
            return str(error)
        self.categories.seen(name)
        shown = corners(box, *picture.size, self.source.box_format, self.source.box_units)
        picture.objects.append(Marked(name, shown, where, box))
        return None


def _entries(content: Any, name: str) -> list[Entry]:
    """Return the entries of a list in a COCO file. Raises TypeError where they are no entries, or an id is no number
    or text.
    """
    found = content[name] if isinstance(content, Mapping) else None
    if not isinstance(found, list):
        raise KeyError(name)
    for number, one in enumerate(found):
        if not isinstance(one, Mapping):
            raise TypeError(f"{name}[{number}] is no entry but {str(one)[:40]}")
        for key_name in ("id", "image_id", "category_id"):
            if not isinstance(one.get(key_name, 0), int | str):
                raise TypeError(f"{name}[{number}].{key_name} is {one[key_name]}")
    return found
