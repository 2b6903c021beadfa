"""One annotation in Pascal VOC's XML: which picture it is of, and the objects in it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from src.data.sources.marked import Corners

_TRUE = ("1", "true", "yes")
_EDGES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Object:
    """An object: its name, whether it is difficult, its four numbers as written, or why it has none."""

    name: str
    difficult: bool
    written: Corners | None
    reason: str
    line: int | None


@dataclass(frozen=True)
class Annotation:
    """`names` are what the picture may be called, `size` the stated height and width, zeros where there is none."""

    names: tuple[str, ...]
    size: tuple[int, int]
    objects: tuple[Object, ...]


def read_annotation(file: Path) -> Annotation:
    """Read an annotation. Raises OSError, and ValueError with the reason where it is none."""
    data = file.read_bytes()
    if b"<!ENTITY" in data or b"<!DOCTYPE" in data:  # entities could expand without end
        raise ValueError("it declares a document type, as no annotation does")
    try:
        root = ET.fromstring(data)
    except (ET.ParseError, LookupError) as error:  # an encoding that nobody knows
        raise ValueError(str(error)) from None
    if root.tag != "annotation":
        known = "; it is CVAT's own form: export the set as Pascal VOC" if root.tag == "annotations" else ""
        raise ValueError(f"its root is {root.tag}, not annotation{known}")
    names = [_text(root, key).replace("\\", "/").rpartition("/")[2] for key in ("filename", "path")]
    lines = [data.count(b"\n", 0, match.start()) + 1 for match in re.finditer(rb"<object\b", data)]
    numbered = enumerate(root.iter("object"))
    objects = tuple(_object(one, lines[number] if number < len(lines) else None) for number, one in numbered)
    return Annotation(tuple(dict.fromkeys(filter(None, names))), _size(root), objects)


def corners(written: Corners, first_pixel: int) -> Corners:
    """Return the box whose pixels are counted from 1 and include the last, as VOC has it, or from 0 by their edges.

    (1, 1) to (W, H) is the whole image in the one, (0, 0) to (W, H) in the other.
    """
    x0, y0, x1, y1 = written
    if x1 <= x0 or y1 <= y0:  # a click rather than a box: without area, although the pixel under it is counted
        return written
    return x0 - first_pixel, y0 - first_pixel, x1, y1


def _object(element: ET.Element, line: int | None) -> Object:
    name, written, reason = _text(element, "name"), None, ""
    try:
        written = _written(element)
    except (TypeError, ValueError):
        rotated = element.find("robndbox") is not None
        reason = (
            "a rotated box (robndbox), which is not read: export upright boxes (bndbox)"
            if rotated
            else "no four numbers xmin, ymin, xmax, ymax in bndbox"
        )
    if not name:
        written, reason = None, "an object without a name"
    return Object(name, _text(element, "difficult").lower() in _TRUE, written, reason, line)


def _written(element: ET.Element) -> Corners:
    """Return the four numbers of an object, those around its polygon where there is no box."""
    polygon = element.find("polygon")
    if element.find("bndbox") is None and polygon is not None:
        xs, ys = ([float(text) for text in _coordinates(polygon, axis)] for axis in "xy")
        return min(xs), min(ys), max(xs), max(ys)
    x0, y0, x1, y1 = (float(element.findtext(f"bndbox/{key}") or "") for key in _EDGES)
    return x0, y0, x1, y1


def _coordinates(polygon: ET.Element, axis: str) -> Iterator[str]:
    """Yield the x or y of a polygon's points, as `<x1>`, `<y1>`, ... or `<pt><x>`, `<y>`."""
    return (one.text or "" for one in polygon.iter() if re.fullmatch(rf"{axis}\d*", one.tag))


def _size(root: ET.Element) -> tuple[int, int]:
    try:
        return int(float(root.findtext("size/height") or 0)), int(float(root.findtext("size/width") or 0))
    except (ValueError, OverflowError):
        return 0, 0


def _text(element: ET.Element, key: str) -> str:
    return (element.findtext(key) or "").strip()
