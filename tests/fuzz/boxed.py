"""Random sets of objects in the forms that boxes come in: a table, COCO's JSON, Pascal VOC's XML.

Each writes a set below a folder and returns the overrides, beside that folder, that read it.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from tests.fuzz.images import draw_image
from tests.fuzz.words import draw_names

Corners = tuple[int, int, int, int]


def table(random: np.random.Generator, root: Path) -> list[str]:
    """A row for each object."""
    names, rows = draw_names(random), []
    form, units = str(random.choice(["xyxy", "xywh"])), str(random.choice(["pixels", "relative"], p=[0.8, 0.2]))
    for number in range(int(random.integers(4, 40))):
        hue = int(random.integers(len(names)))
        file, size = draw_image(random, root / f"{number}", hue)
        for _ in range(int(random.integers(1, 4))):
            x0, y0, x1, y1 = _box(random, size)
            place = [x0, y0, x1, y1] if form == "xyxy" else [x0, y0, x1 - x0, y1 - y0]
            scaled = [value / side for value, side in zip(place, (*size, *size), strict=True)]
            rows.append([file.name, names[hue], *(place if units == "pixels" else scaled)])
    with (root / "boxes.csv").open("w", newline="", encoding="utf-8") as file_of_rows:
        csv.writer(file_of_rows).writerows([["image", "label", "x0", "y0", "x1", "y1"], *rows])
    return ["data=boxes_csv", f"data.source.box_format={form}", f"data.source.box_units={units}"]


def coco(random: np.random.Generator, root: Path) -> list[str]:
    """A JSON file of annotations and a folder of images for each split."""
    names, first = draw_names(random), int(random.integers(0, 3))
    categories = [{"id": first + 2 * number, "name": name} for number, name in enumerate(names)]
    for split in ("train", "val", "test")[: int(random.integers(1, 4))]:
        images, objects = [], []
        for number in range(int(random.integers(3, 20))):
            hue = int(random.integers(len(names)))
            file, (width, height) = draw_image(random, root / f"{split}2017" / f"{number}", hue)
            images.append({"id": number, "file_name": file.name, "width": width, "height": height})
            for _ in range(int(random.integers(0, 4))):
                x0, y0, x1, y1 = _box(random, (width, height))
                one = {"bbox": [x0, y0, x1 - x0, y1 - y0], "iscrowd": int(random.random() < 0.1)}
                objects.append({"id": len(objects), "image_id": number, "category_id": categories[hue]["id"], **one})
        path = root / "annotations" / f"instances_{split}2017.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"images": images, "annotations": objects, "categories": categories}))
    return ["data=coco"]


def voc(random: np.random.Generator, root: Path) -> list[str]:
    """An XML file for each image, and lists of the images of each split."""
    names, stems = draw_names(random), []
    (root / "Annotations").mkdir(parents=True)
    for number in range(int(random.integers(4, 40))):
        hue, stem = int(random.integers(len(names))), f"image {number}" if random.random() < 0.3 else f"{number:05d}"
        file, (width, height) = draw_image(random, root / "JPEGImages" / stem, hue)
        stems.append(stem)
        objects = ""
        for _ in range(int(random.integers(0, 3))):
            corners = zip(("xmin", "ymin", "xmax", "ymax"), _box(random, (width, height), first=1), strict=True)
            place = "".join(f"<{key}>{value}</{key}>" for key, value in corners)
            objects += (
                f"<object><name>{escape(names[hue])}</name><difficult>0</difficult><bndbox>{place}</bndbox></object>"
            )
        size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
        text = f"<annotation><filename>{escape(file.name)}</filename>{size}{objects}</annotation>"
        (root / "Annotations" / f"{stem}.xml").write_text(text)
    if random.random() < 0.7:
        lists = root / "ImageSets" / "Main"
        lists.mkdir(parents=True)
        cut = len(stems) // 2
        for split, part in (("train", stems[:cut]), (str(random.choice(["test", "val"])), stems[cut:])):
            (lists / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in part))
    return ["data=voc"]


def _box(random: np.random.Generator, size: tuple[int, int], first: int = 0) -> Corners:
    """Return corners of a box with an area within an image of this (width, height); with `first` as VOC counts them."""
    x0, y0 = (int(random.integers(first, max(side - 1, first + 1))) for side in size)
    x1, y1 = (int(random.integers(low + 1, max(side, low + 1) + 1)) for low, side in zip((x0, y0), size, strict=True))
    return x0, y0, x1, y1
