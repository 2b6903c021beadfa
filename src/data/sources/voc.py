"""Pascal VOC: an XML file per image beside the images, and lists of names for the splits (Everingham et al. 2010)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Len

from src.data.decode import Unreadable
from src.data.image_size import image_size
from src.data.listing import is_file, visible_files
from src.data.sources.base import BadRow
from src.data.sources.box_reading import corners as corners_in_pixels
from src.data.sources.boxed import BoxedImages
from src.data.sources.marked import Corners, Marked, Picture
from src.data.sources.picture_files import PictureFiles
from src.data.sources.voc_layout import Part, voc_layout
from src.data.sources.voc_lists import name_of, read_lists
from src.data.sources.voc_xml import Annotation, Object, corners, read_annotation


class PascalVoc(BoxedImages):
    """An XML file for each picture, in folders as VOC has them or as other tools do.

    `annotations` and `images` are folders below `root`, or below one folder up to two levels below it
    (`VOCdevkit/VOC2007`); `{split}` in them stands for any usual name of a split. With `auto` they are found by what
    lies there. `lists` are text files of names, a split each, in ImageSets/Main with `auto`, none with null; without
    them all annotations are used. VOC counts pixels from 1 and includes the last: (1, 1) to (W, H) is the whole image,
    here (0, 0, W, H); other writers count from 0 (`first_pixel`). `difficult` objects are left out where it is false;
    an image that shows nothing else is too. A picture on a list without an XML file is an error, shows `nothing`, or is
    left out, as `without_annotation` says.
    """

    def __init__(
        self,
        root: str,
        annotations: str,
        images: str,
        lists: str | None,
        classes: list[str] | None,
        objects: Literal["largest", "single"],
        difficult: bool,
        first_pixel: Literal[0, 1],
        without_annotation: Literal["error", "nothing", "skip"],
        box_units: Literal["pixels", "relative"],
        tolerance: Annotated[float, Ge(0)],
        channels: Annotated[int, Ge(1)],
        range: Literal["auto", "full"] | Annotated[list[float], Len(2, 2)],
    ) -> None:
        super().__init__(
            root, classes=classes, objects=objects, box_units=box_units, tolerance=tolerance, channels=channels
        )
        self.range = range
        self.places = (annotations, images, lists)
        self.difficult, self.first_pixel, self.without_annotation = difficult, first_pixel, without_annotation
        self._noticed: Counter[str] = Counter()
        self._at_zero: list[str] = []

    def pictures(self, bad: list[BadRow]) -> Iterable[Picture]:
        """Read the annotations of all splits, or all that there are."""
        self._noticed, self._at_zero = Counter(), []
        layout = voc_layout(self.root, *self.places)
        self.root = layout.root
        lists = read_lists(layout.lists)
        for name in lists.unused:
            self._noticed[f"{name} is there and not used"] = 0
        for part in layout.parts:
            names = _Names(self.root, part)
            members = {
                split: [(names.of(one.line), one.where) for one in lines] for split, lines in lists.splits.items()
            }
            listed = bool(members)
            for split, each in (members or {part.split: names.all()}).items():
                for name, where in dict(each).items():
                    yield from self._picture(name, where, split, names, bad)
                if len(each) > len(dict(each)):
                    self._noticed[f"names that stand more than once in the list of {split}, used once"] += len(
                        each
                    ) - len(dict(each))
            if not listed:
                yield from self._unlisted(names, part.split)

    def noticed(self) -> Iterable[str]:
        """Return what was left out, lists that are not used, and whether boxes seem to be counted from 0."""
        found = [f"{what}: {count}" if count else what for what, count in self._noticed.items()]
        if self._at_zero and self.first_pixel == 1:
            found.append(
                f"{len(self._at_zero)} boxes begin at 0, where Pascal VOC counts pixels from 1 ({self._at_zero[0]}): "
                "if the tool that wrote them counts from 0, type data.source.first_pixel=0"
            )
        return found

    def _picture(self, name: str, where: str, split: str, names: _Names, bad: list[BadRow]) -> Iterator[Picture]:
        file = names.annotation(name)
        try:
            annotation = read_annotation(file)
        except OSError:
            yield from self._without(name, where, split, names, file, bad)
            return
        except ValueError as error:
            bad.append(BadRow(str(file), f"is no readable annotation: {error}"))
            return
        try:
            found = names.picture(name, annotation)
            size = image_size(self.root / found, self.channels)
        except (LookupError, Unreadable) as error:
            bad.append(BadRow(str(file), str(error.args[0])))
            return
        if all(annotation.size) and annotation.size not in (size, size[::-1]):
            self._noticed["annotations whose <size> is not that of their picture, whose own is taken"] += 1
        picture = Picture(found, size, split, place=where)
        for one in annotation.objects:
            self._add(picture, one, file, bad)
        yield picture

    def _add(self, picture: Picture, one: Object, file: Path, bad: list[BadRow]) -> None:
        if one.difficult and not self.difficult:
            picture.unused = "difficult objects (data.source.difficult=false)"
            return
        place = str(file) if one.line is None else f"{file}:{one.line}"
        if one.written is None:
            bad.append(BadRow(place, one.reason))
            picture.spoiled = True
            return
        if self.box_units == "pixels" and min(one.written[:2]) < 1:
            self._at_zero.append(place)
        picture.objects.append(Marked(one.name, self._corners(one.written, picture), place, one.written))

    def _corners(self, written: Corners, picture: Picture) -> Corners:
        if self.box_units == "relative":
            return corners_in_pixels(written, *picture.size, "xyxy", "relative")
        return corners(written, self.first_pixel)

    def _without(
        self, name: str, where: str, split: str, names: _Names, file: Path, bad: list[BadRow]
    ) -> Iterator[Picture]:
        """Treat a listed name without an annotation as `without_annotation` says."""
        found = names.pictures.of_stem(name)
        if found is None or self.without_annotation == "error":
            hint = "" if found is None else (
                f", but {self.root / found}: where such images show nothing, type "
                "data.source.without_annotation=nothing, or skip to leave them out"
            )  # fmt: skip
            bad.append(BadRow(where, f"no such annotation: {file}{hint}"))
        else:
            yield from self._unannotated(found, split, where)

    def _unannotated(self, file: str, split: str, where: str) -> Iterator[Picture]:
        if self.without_annotation == "skip":
            self._noticed["pictures without an annotation, left out (data.source.without_annotation=skip)"] += 1
            return
        yield Picture(file, image_size(self.root / file, self.channels), split, place=where)

    def _unlisted(self, names: _Names, split: str) -> Iterator[Picture]:
        """Treat the pictures that no annotation is of, where there are no lists."""
        for file in names.pictures.all():
            if file in names.used:
                continue
            if self.without_annotation == "error":
                self._noticed[
                    "pictures without an annotation, left out; where they show nothing, type "
                    "data.source.without_annotation=nothing"
                ] += 1
            else:
                yield from self._unannotated(file, split, file)


class _Names:
    """The annotations and pictures of a part by their names: paths below its folders, without ending."""

    def __init__(self, root: Path, part: Part) -> None:
        self.root, self.part = root, part
        self.pictures = PictureFiles(root, part.images)
        self.used: dict[str, str] = {}
        """The name that each picture was found for."""
        files = visible_files(root / part.annotations)
        paths = [name if folder == "." else f"{folder}/{name}" for folder, names in files.items() for name in names]
        self.files = {path[:-4]: path for path in paths if path.lower().endswith(".xml")}

    def all(self) -> list[tuple[str, str]]:
        """Return every annotation and where it is."""
        return [(name, str(self.annotation(name))) for name in sorted(self.files)]

    def of(self, line: str) -> str:
        """Return the name that a line of a list means."""
        found = name_of(line, self.files.__contains__)
        return found if found in self.files else name_of(line, lambda name: self.pictures.of_stem(name) is not None)

    def annotation(self, name: str) -> Path:
        """Return the XML file of a name, which need not be there."""
        return self.root / self.part.annotations / self.files.get(name, f"{name}.xml")

    def picture(self, name: str, annotation: Annotation) -> str:
        """Return the picture of an annotation. Raises LookupError where there is none, or it is another's."""
        found = self._picture(name, annotation)
        before = self.used.setdefault(found, name)
        if before != name:
            raise LookupError(f"no picture of its own: {found} is that of {self.annotation(before)} too")
        return found

    def _picture(self, name: str, annotation: Annotation) -> str:
        """Prefer the name that the annotation says, where it is its own; then a picture called like the annotation."""
        folder = "" if self.part.images == "." else f"{self.part.images}/"
        inner = os.path.dirname(name)  # noqa: PTH120 - of a name below a folder
        said = [f"{folder}{inner}{'/' * bool(inner)}{one}" for one in annotation.names]
        stem = name.rpartition("/")[2]
        exact = [path for path in said if is_file(self.root / path)]
        own = next((path for path in exact if os.path.splitext(path)[0].rpartition("/")[2] == stem), None)  # noqa: PTH122
        found = own or self.pictures.of_stem(name) or next(iter(exact), None)
        if found is not None:
            return found
        for one in annotation.names:
            other = self.pictures.of_stem(os.path.splitext(one)[0]) or self.pictures.of_stem(one)  # noqa: PTH122
            if other is not None:
                return other
        tried = dict.fromkeys([f"{folder}{name}.jpg", *said])
        raise LookupError(f"no such image: {' or '.join(str(self.root / path) for path in tried)}")
