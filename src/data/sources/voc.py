"""Pascal VOC: an XML file per image beside the images, and lists of names for the splits (Everingham et al. 2010)."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Len

from src.data.decode import Unreadable
from src.data.image_size import image_size
from src.data.sources.base import BadRow
from src.data.sources.boxed import BoxedImages, Corners, Marked, Picture, is_file
from src.data.sources.folder import missing_folder
from src.errors import UserError

_SPLITS = ("train", "val", "test")
_FOLDERS = ("Annotations", "JPEGImages")


class PascalVoc(BoxedImages):
    """`Annotations/NAME.xml`, `JPEGImages/NAME.jpg` and `ImageSets/Main/{train,val,test}.txt`.

    They lie in `root` or in one folder up to two levels below it (`VOCdevkit/VOC2007`). Without lists of names there
    are no splits. VOC counts pixels from 1 and includes the last: (1, 1) to (W, H) is the whole image, here
    (0, 0, W, H). `difficult` objects are left out where it is false; an image that shows nothing else is too.
    """

    def __init__(
        self,
        root: str,
        classes: list[str] | None,
        objects: Literal["largest", "single"],
        difficult: bool,
        tolerance: Annotated[float, Ge(0)],
        channels: Annotated[int, Ge(1)],
        range: Literal["auto", "full"] | Annotated[list[float], Len(2, 2)],
    ) -> None:
        super().__init__(root, classes=classes, objects=objects, tolerance=tolerance, channels=channels)
        self.range = range
        self.difficult = difficult

    def pictures(self, bad: list[BadRow]) -> Iterable[Picture]:
        """Read the annotations of all splits, or all that there are."""
        self.root = _place(self.root)
        lists = {split: self.root / "ImageSets" / "Main" / f"{split}.txt" for split in _SPLITS}
        names = {split: _names(file) for split, file in lists.items() if file.is_file()}
        if not names:
            names = {"all": [(path.stem, str(path)) for path in sorted((self.root / "Annotations").glob("*.xml"))]}
        for split, members in names.items():
            for name, where in members:
                picture = self._picture(name, where, split, bad)
                if picture is not None:
                    yield picture

    def _picture(self, name: str, where: str, split: str, bad: list[BadRow]) -> Picture | None:
        annotation = self.root / "Annotations" / f"{name}.xml"
        try:
            text = annotation.read_text(encoding="utf-8-sig")
            root = _parsed(text)
        except OSError:
            bad.append(BadRow(where, f"no such annotation: {annotation}"))
            return None
        except (ValueError, ET.ParseError) as error:
            bad.append(BadRow(str(annotation), f"is no readable annotation: {error}"))
            return None
        file = root.findtext("filename", "").strip()
        candidates = [f"JPEGImages/{name}.jpg", *([f"JPEGImages/{Path(file).name}"] if file else [])]
        found = next((path for path in candidates if is_file(self.root / path)), None)
        if found is None:
            bad.append(BadRow(str(annotation), f"no such image: {' or '.join(str(self.root / c) for c in candidates)}"))
            return None
        try:
            picture = Picture(found, image_size(self.root / found, self.channels), split)
        except Unreadable as error:
            bad.append(BadRow(str(annotation), str(error)))
            return None
        self._add_objects(picture, root, text, annotation, bad)
        return picture

    def _add_objects(self, picture: Picture, root: ET.Element, text: str, file: Path, bad: list[BadRow]) -> None:
        lines = [text.count("\n", 0, match.start()) + 1 for match in re.finditer(r"<object\b", text)]
        for number, element in enumerate(root.iter("object")):
            place = f"{file}:{lines[number]}" if number < len(lines) else str(file)
            if not self.difficult and element.findtext("difficult", "0").strip() == "1":
                picture.spoiled = True  # it does not show nothing
                continue
            try:
                box = _corners(element)
            except (TypeError, ValueError):
                bad.append(BadRow(place, "no four numbers xmin, ymin, xmax, ymax in bndbox"))
                picture.spoiled = True
                continue
            picture.objects.append(Marked(element.findtext("name", "").strip(), box, place))


def _parsed(text: str) -> ET.Element:
    """Parse an annotation. Raises ValueError where it declares entities, which could expand without end."""
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise ValueError("it declares a document type, as no annotation does")
    return ET.fromstring(text)


def _corners(element: ET.Element) -> Corners:
    x0, y0, x1, y1 = (float(element.findtext(f"bndbox/{key}") or "") for key in ("xmin", "ymin", "xmax", "ymax"))
    if x1 <= x0 or y1 <= y0:  # a click rather than a box: without area, although the pixel under it is counted
        return x0, y0, x1, y1
    return x0 - 1, y0 - 1, x1, y1


def _names(file: Path) -> list[tuple[str, str]]:
    """Return the names of a list, with the line of each; a second column, 1 or -1, is that of a class's own list."""
    lines = enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    return [(line.split()[0], f"{file}:{number}") for number, line in lines if line.strip()]


def _place(root: Path) -> Path:
    """Return the folder that holds Annotations/ and JPEGImages/. Raises UserError where there is none, or several."""
    try:
        list(root.iterdir())
    except OSError as error:
        raise UserError(missing_folder(root, error)) from None
    levels: list[list[Path]] = [[root], sorted(root.glob("*")), sorted(root.glob("*/*"))]
    sets = [[path for path in level if all((path / name).is_dir() for name in _FOLDERS)] for level in levels]
    found = next((level for level in sets if level), [])
    if not found:
        raise UserError(f"data.root={root}: no folder with Annotations/ and JPEGImages/ in it, or two levels below")
    if len(found) > 1:
        raise UserError(f"data.root={root}: several sets; name one: {', '.join(f'data.root={path}' for path in found)}")
    return found[0]
