"""Sets in Pascal VOC's form, written for tests: pictures of 200 x 100 with one cat from (20, 10) to (120, 60)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from src.data.sources.voc import PascalVoc

OPTIONS = {
    "annotations": "auto", "images": "auto", "lists": "auto", "classes": None, "objects": "largest", "difficult": True,
    "first_pixel": 1, "without_annotation": "error", "box_units": "pixels", "tolerance": 1.0,
    "channels": 3, "range": "full",
}  # fmt: skip
CAT = (21, 11, 120, 60)


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (200, 100)).save(path)


def annotation(path: Path, filename: str = "", box: Iterable[float] = CAT, more: str = "") -> None:
    edges = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    named = f"<filename>{filename}</filename>" if filename else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation>{named}<object><name>cat</name><bndbox>{edges}</bndbox></object>{more}</annotation>")


def usual(root: Path, *names: str, **lists: str) -> Path:
    """Write VOC's own folders, and lists of names divided by commas."""
    for name in names:
        annotation(root / "Annotations" / f"{name}.xml")
        picture(root / "JPEGImages" / f"{name}.jpg")
    (root / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
    for split, listed in lists.items():
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(listed.split(",")) + "\n")
    return root


def opened(root: Path, **arguments: object) -> PascalVoc:
    source = PascalVoc(str(root), **OPTIONS | arguments)
    source.setup()
    return source


def splits(source: PascalVoc) -> dict[str, list[str]]:
    """Return the files of each split, below the root."""
    found = source.splits().items()
    return {split: [source.path(i).relative_to(source.root).as_posix() for i in rows] for split, rows in found}
