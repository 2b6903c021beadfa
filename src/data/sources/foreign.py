"""What a folder is that is not one of class folders: the sets of other formats, and what to type for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from src.data.listing import ARCHIVES, visible_folders

_TABLES = (".csv", ".tsv", ".jsonl")
_HEAD = 1 << 16  # bytes of a JSON file in which COCO's keys are looked for


def foreign_set(root: Path) -> str | None:
    """Return what a set of another format is, and what to type for it; None where it looks like none that is known."""
    places = list(_places(root))
    found = _coco(root, places) or _yolo(root, places) or _voc(root, places)
    return None if found is None else f"data.root={root} is no folder of class folders but {found}"


def beside(root: Path) -> str:
    """Return a hint at what lies in a folder without class folders: an archive, or a table of its images."""
    files = sorted(path for path in root.iterdir() if path.is_file() and not path.name.startswith("."))
    archive = next((path for path in files if path.suffix.lower() in ARCHIVES), None)
    if archive is not None:
        return f". There is {archive.name}: unpack it"
    table = next((path for path in files if path.suffix.lower() in _TABLES), None)
    if table is None:
        return ""
    return f". There is {table.name}: if it names the classes, type data=csv data.root={root} data.source.file={table.name}"  # fmt: skip # noqa: E501


def _places(root: Path) -> Iterator[Path]:
    """Yield the root and the folders up to two levels below it."""
    yield root
    for folder in visible_folders(root)[:50]:
        yield folder
        yield from visible_folders(folder)[:50]


def _coco(root: Path, places: list[Path]) -> str | None:
    for folder in places:
        for file in sorted(folder.glob("*.json"))[:20]:
            with file.open("rb") as content:
                head = content.read(_HEAD)
            if file.name.endswith(".coco.json") or (b'"images"' in head and (b'"file_name"' in head or b'"annotations"' in head)):  # fmt: skip # noqa: E501
                return f"a COCO set ({file.relative_to(root)}): type data=coco data.root={root}"
    return None


def _yolo(root: Path, places: list[Path]) -> str | None:
    for folder in places:
        if folder.name.lower() == "labels" or any((folder / name).is_file() for name in ("obj.names", "obj.data")):
            sign = next(iter(sorted(folder.rglob("*.txt"))), None)
        else:
            sign = next((file for file in sorted(folder.glob("*.y*ml")) if b"names" in file.read_bytes()), None)
        if sign is not None:
            return (
                f"a YOLO set ({sign.relative_to(root)}), which cannot be read yet: export it as COCO (data=coco) or "
                "Pascal VOC (data=voc)"
            )
    return None


def _voc(root: Path, places: list[Path]) -> str | None:
    for folder in places:
        for file in sorted(folder.glob("*.xml"))[:1]:
            if b"<annotation" in file.read_bytes()[:_HEAD]:
                return f"a Pascal VOC set ({file.relative_to(root)}): type data=voc data.root={root}"
    return None
