"""Random datasets that a user could have: each is a folder and the overrides that read it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from tests.fuzz.images import FORMS, draw_image

NAMES = ("cat", "dog", "train", "a b", "Zebra", "x1", "0", "10", "ä", "class,1", "nothing much", "B")
TRAIN, VAL, TEST = ("train", "Train", "training"), ("val", "valid", "validation"), ("test", "Test", "testing")
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class Dataset:
    """The overrides that read it, and the kind of model that can learn from it."""

    overrides: tuple[str, ...]
    task: str
    multilabel: bool = False


def draw_dataset(random: np.random.Generator, root: Path) -> Dataset:
    """Write a random dataset below `root`."""
    kinds: Sequence[Callable[[np.random.Generator, Path], Dataset]] = (
        folder,
        one_label,
        several_labels,
        boxes,
        coco,
        voc,
        people,
    )
    shares = (0.2, 0.2, 0.2, 0.12, 0.1, 0.1, 0.08)
    return kinds[int(random.choice(len(kinds), p=shares))](random, root)


def folder(random: np.random.Generator, root: Path) -> Dataset:
    """A folder per class, with or without folders of splits above them."""
    names = _names(random)
    for split in _split_folders(random):
        for hue, name in enumerate(names):
            for number in range(_count(random)):
                draw_image(random, root / split / name / f"{number}", hue)
            if random.random() < 0.1:
                (root / split / name / "notes.txt").parent.mkdir(parents=True, exist_ok=True)
                (root / split / name / "notes.txt").write_text("not an image")
    return Dataset(("data=folder", f"data.root={root}", *_channels(random)), "label")


def one_label(random: np.random.Generator, root: Path) -> Dataset:
    """A table with one label for each image."""
    names, rows = _names(random), []
    for hue, name in enumerate(names):
        rows += [[_file(random, root, f"{hue}-{number}", hue), name] for number in range(_count(random))]
    typed = _splits_of_rows(random, rows)
    _write(root / "labels.csv", [["image", "label", "split"][: len(rows[0])], *rows])
    return Dataset(("data=csv", f"data.root={root}", *typed, *_channels(random)), "label")


def several_labels(random: np.random.Generator, root: Path) -> Dataset:
    """A table with any number of labels for each image, in columns of 0 and 1 or in one column."""
    names = [name for name in _names(random) if "," not in name]
    there = random.random((int(random.integers(4, 60)), len(names))) < random.choice([0.1, 0.3, 0.7], len(names))
    in_columns = bool(random.random() < 0.5)
    rows = []
    for number, labels in enumerate(there):
        file = _file(random, root, f"{number}", int(labels.argmax()))
        cells = labels.astype(int).tolist() if in_columns else ["|".join(np.array(names)[labels])]
        rows.append([file, *cells])
    splits = _splits_of_rows(random, rows)
    titles = [f"c{number}" for number in range(len(names))] if in_columns else ["label"]
    _write(root / "labels.csv", [["image", *titles, "split"][: len(rows[0])], *rows])
    columns = f"data.source.label_column=[{','.join(titles)}]" if in_columns else "data.source.label_separator='|'"
    return Dataset(("data=csv", f"data.root={root}", columns, *splits, *_channels(random)), "label", multilabel=True)


def boxes(random: np.random.Generator, root: Path) -> Dataset:
    """A table with a row for each object."""
    names, rows = _names(random), []
    form = str(random.choice(["xyxy", "xywh"]))
    for number in range(int(random.integers(4, 40))):
        hue = int(random.integers(len(names)))
        file, size = draw_image(random, root / f"{number}", hue)
        for _ in range(int(random.integers(1, 4))):
            x0, y0, x1, y1 = _box(random, size)
            place = [x0, y0, x1, y1] if form == "xyxy" else [x0, y0, x1 - x0, y1 - y0]
            rows.append([file.name, names[hue], *place])
    _write(root / "boxes.csv", [["image", "label", "x0", "y0", "x1", "y1"], *rows])
    return Dataset(("data=boxes_csv", f"data.root={root}", f"data.source.box_format={form}"), "box")


def coco(random: np.random.Generator, root: Path) -> Dataset:
    """A JSON file of annotations and a folder of images for each split."""
    names, first = _names(random), int(random.integers(0, 3))
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
    return Dataset(("data=coco", f"data.root={root}"), "box")


def voc(random: np.random.Generator, root: Path) -> Dataset:
    """An XML file for each image, and lists of the images of each split."""
    names, stems = _names(random), []
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
        path = root / "Annotations" / f"{stem}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<annotation><filename>{file.name}</filename>{size}{objects}</annotation>")
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    cut = len(stems) // 2
    for split, part in (("train", stems[:cut]), (str(random.choice(["test", "val"])), stems[cut:])):
        (lists / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in part))
    return Dataset(("data=voc", f"data.root={root}"), "box")


def people(random: np.random.Generator, root: Path) -> Dataset:
    """A folder for each identity."""
    for person in range(int(random.integers(4, 14))):
        for number in range(int(random.integers(1, 6))):
            draw_image(random, root / f"p{person}" / f"{number}", person)
    return Dataset(("data=identities", f"data.root={root}"), "identity")


def _names(random: np.random.Generator) -> list[str]:
    return [
        str(name)
        for name in random.choice(
            NAMES, int(random.choice([1, 2, 3, 4, 5], p=[0.05, 0.4, 0.25, 0.2, 0.1])), replace=False
        )
    ]


def _count(random: np.random.Generator) -> int:
    return int(random.integers(1, 4) if random.random() < 0.1 else random.integers(5, 16))


def _split_folders(random: np.random.Generator) -> list[str]:
    if random.random() < 0.5:
        return [""]
    chosen = [str(random.choice(names)) for names in (TRAIN, VAL, TEST)]
    return chosen[:1] + [name for name in chosen[1:] if random.random() < 0.6]


def _splits_of_rows(random: np.random.Generator, rows: list[list[object]]) -> list[str]:
    """Give each row a split where the table is to have them; return the override that reads them."""
    if random.random() < 0.5:
        return []
    names = [str(random.choice(names)) for names in (TRAIN, VAL, TEST)]
    for row in rows:
        row.append(names[int(random.choice(3, p=[0.6, 0.2, 0.2]))])
    return ["data.source.split_column=split"]


def _channels(random: np.random.Generator) -> list[str]:
    return ["data.source.channels=1"] if random.random() < 0.2 else []


def _file(random: np.random.Generator, root: Path, stem: str, hue: int) -> str:
    return str(draw_image(random, root / "images" / stem, hue, forms=len(FORMS))[0].relative_to(root))


def _box(random: np.random.Generator, size: tuple[int, int], first: int = 0) -> Corners:
    """Return corners of a box with an area within an image of this (width, height); with `first` as VOC counts them."""
    x0, y0 = (int(random.integers(first, side - 1)) for side in size)
    x1, y1 = (int(random.integers(low + 1, side + 1)) for low, side in zip((x0, y0), size, strict=True))
    return x0, y0, x1, y1


def _write(path: Path, rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
