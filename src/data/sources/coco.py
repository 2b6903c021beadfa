"""COCO: a JSON file of images, categories and objects per split (Lin et al. 2014)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Len

from src.data.decode import Unreadable
from src.data.image_size import image_size
from src.data.sources.base import BadRow
from src.data.sources.boxed import BoxedImages, Marked, Picture, is_file
from src.data.sources.folder import missing_folder
from src.errors import UserError

_SPLITS = ("train", "val", "test")


class Coco(BoxedImages):
    """Objects with `bbox` (x, y, width, height) in pixels; crowds are no objects; an image may show nothing.

    `annotations` and `images` are a file and a folder below `root`; `{split}` in them stands for train, val and test,
    of which those are read whose file is there. Classes are the categories in the order of their ids.
    """

    def __init__(
        self,
        root: str,
        annotations: str,
        images: str,
        classes: list[str] | None,
        objects: Literal["largest", "single"],
        tolerance: Annotated[float, Ge(0)],
        channels: Annotated[int, Ge(1)],
        range: Literal["auto", "full"] | Annotated[list[float], Len(2, 2)],
    ) -> None:
        super().__init__(root, classes=classes, objects=objects, tolerance=tolerance, channels=channels)
        self.range = range
        self.annotations, self.images = annotations, images
        self._categories: dict[int, str] = {}

    def pictures(self, bad: list[BadRow]) -> Iterable[Picture]:
        """Read the annotations of all splits."""
        names = _SPLITS if "{split}" in self.annotations else ("all",)
        files = {split: self.root / self.annotations.replace("{split}", split) for split in names}
        there = {split: file for split, file in files.items() if file.is_file()}
        if not there:
            raise UserError(self._missing(list(files.values())))
        found: list[Picture] = []
        for split, file in there.items():
            found += self._read(file, split, bad)
        return found

    def class_names(self, pictures: object) -> tuple[str, ...]:
        """Return the categories in the order of their ids, those that no image shows too."""
        return tuple(self.names or (self._categories[number] for number in sorted(self._categories)))

    def _missing(self, files: list[Path]) -> str:
        try:
            list(self.root.iterdir())
        except OSError as error:
            return missing_folder(self.root, error)
        return f"data.source.annotations: no such file: {' or '.join(map(str, files))}"

    def _read(self, file: Path, split: str, bad: list[BadRow]) -> Iterable[Picture]:
        try:
            content = json.loads(file.read_bytes())
            images, objects = (_entries(content, key) for key in ("images", "annotations"))
            categories = {int(one["id"]): str(one["name"]) for one in content["categories"]}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{file} is no annotation in COCO's form: {type(error).__name__} {error}") from error
        differing = [name for number, name in categories.items() if self._categories.get(number, name) != name]
        if differing:
            raise UserError(f"{file}: other categories than in the split before: {', '.join(differing[:10])}")
        self._categories |= categories
        folder = self.images.replace("{split}", split)
        pictures: dict[Any, Picture] = {}
        for number, image in enumerate(images):
            where = f"{file}: image {image.get('id', f'number {number}')}"
            self._add_picture(image, where, folder, split, pictures, bad)
        for number, one in enumerate(objects):
            if not one.get("iscrowd"):
                where = f"{file}: annotation {one.get('id', f'number {number}')}"
                self._add_object(one, where, pictures, bad)
        return pictures.values()

    def _add_picture(
        self,
        image: Mapping[str, Any],
        where: str,
        folder: str,
        split: str,
        pictures: dict[Any, Picture],
        bad: list[BadRow],
    ) -> None:
        name = f"{folder}/{image.get('file_name', '')}"
        path = self.root / name
        if not is_file(path):
            bad.append(BadRow(where, f"no such image: {path}"))
            return
        try:
            stated = (image.get("height"), image.get("width"))
            size = (int(stated[0]), int(stated[1])) if all(stated) else image_size(path, self.channels)  # type: ignore[arg-type]
        except (Unreadable, TypeError, ValueError) as error:
            bad.append(BadRow(where, str(error)))
            return
        pictures[image.get("id")] = Picture(name, size, split)

    def _add_object(
        self, one: Mapping[str, Any], where: str, pictures: Mapping[Any, Picture], bad: list[BadRow]
    ) -> None:
        picture = pictures.get(one.get("image_id"))
        if picture is None:
            bad.append(BadRow(where, f"no image has the id {one.get('image_id')}"))
            return
        category = one.get("category_id")
        try:
            x, y, width, height = map(float, one["bbox"])
            picture.objects.append(Marked(self._categories[int(str(category))], (x, y, x + width, y + height), where))
        except (KeyError, TypeError, ValueError):
            known = category in self._categories
            reason = f"bbox {one.get('bbox')} has no four numbers" if known else f"no category has the id {category}"
            bad.append(BadRow(where, reason))
            picture.spoiled = True


def _entries(content: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return the entries of a list in a COCO file. Raises TypeError where they are no entries, or an id is no number
    or text.
    """
    found = content[key]
    ids = ("id", "image_id", "category_id")
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise TypeError(f"{key} is no list of entries")
    for number, one in enumerate(found):
        for name in ids:
            if not isinstance(one.get(name, 0), int | str):
                raise TypeError(f"{key}[{number}].{name} is {one[name]}")
    return found
