"""Sets in COCO's form, written for tests: pictures of 200 x 100 with one cat from (20, 10) to (120, 60)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from src.data.sources.coco import Coco

OPTIONS = {
    "annotations": "auto", "images": "auto", "classes": None, "objects": "largest", "crowds": "skip",
    "box_units": "pixels", "tolerance": 1.0, "channels": 3, "range": "full",
}  # fmt: skip
CATEGORIES = [{"id": 1, "name": "cat", "supercategory": "none"}]


def pictures(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (200, 100)).save(folder / name)


def entry(image: int, **more: Any) -> dict[str, Any]:
    return {"id": image, "image_id": image, "category_id": 1, "bbox": [20, 10, 100, 50]} | more


def write(
    file: Path, names: Sequence[str], objects: list[Any] | None = None, categories: Any = CATEGORIES, **more: Any
) -> None:
    """Write a file of images numbered from 0, each with a cat unless `objects` are given."""
    file.parent.mkdir(parents=True, exist_ok=True)
    images = [{"id": n, "file_name": name, "width": 200, "height": 100} for n, name in enumerate(names)]
    objects = [entry(number) for number in range(len(names))] if objects is None else objects
    file.write_text(json.dumps({"images": images, "annotations": objects, "categories": categories} | more))


def opened(root: Path, **arguments: object) -> Coco:
    source = Coco(str(root), **OPTIONS | arguments)
    source.setup()
    return source


def splits(source: Coco) -> dict[str, list[str]]:
    """Return the files of each split, below the root."""
    found = source.splits().items()
    return {split: [source.path(i).relative_to(source.root).as_posix() for i in rows] for split, rows in found}
