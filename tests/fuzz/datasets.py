"""Random datasets that a user could have: each is a folder and the overrides that read it."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from tests.fuzz import boxed
from tests.fuzz.images import draw_image
from tests.fuzz.words import NAMES, NUMBERS, SPLITS, draw_count, draw_names, draw_splits

Write = Callable[[np.random.Generator, Path], list[str]]

DELIMITERS = (",", ",", ";", "\t")
RANGES = ("auto", "full", "[0,4096]")


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
        *(_of_boxes(write) for write in (boxed.table, boxed.coco, boxed.voc)),
        people,
    )
    shares = (0.2, 0.2, 0.2, 0.11, 0.1, 0.09, 0.1)
    return kinds[int(random.choice(len(kinds), p=shares))](random, root)


def folder(random: np.random.Generator, root: Path) -> Dataset:
    """A folder per class, with or without folders of splits above them, and what else lies about."""
    names, within = draw_names(random), root / "a set" if random.random() < 0.15 else root
    for split in [""] if random.random() < 0.5 else draw_splits(random):
        for hue, name in enumerate(names):
            for number in range(draw_count(random)):
                draw_image(random, within / split / name / f"{number}", hue)
    _litter(random, within)
    return Dataset(("data=folder", f"data.root={within}", *_reading(random)), "label")


def one_label(random: np.random.Generator, root: Path) -> Dataset:
    """A table with one label for each image, words or numbers, perhaps one column for each label."""
    several = bool(random.random() < 0.2)
    names = draw_names(random, NAMES if random.random() < 0.8 else NUMBERS)
    channels = int(random.integers(2, 7)) if random.random() < 0.1 else None
    rows: list[list[object]] = []
    for hue, name in enumerate(names):
        for number in range(draw_count(random)):
            label = [int(other == name) for other in names] if several else [name]
            rows.append([_file(random, root, f"{hue}-{number}", hue, channels), *label])
    if random.random() < 0.03:
        rows[0][1] = ""
    titles = [f"c{number}" for number in range(len(names))] if several else ["label"]
    columns = [f"data.source.label_column=[{','.join(titles)}]", "data.source.exclusive=true"] if several else []
    splits = _write(random, root, titles, rows)
    reading = _reading(random) if channels is None else [f"data.source.channels={channels}"]
    return Dataset(("data=csv", f"data.root={root}", *columns, *splits, *reading), "label")


def several_labels(random: np.random.Generator, root: Path) -> Dataset:
    """A table with any number of labels for each image, in columns of 0 and 1 or in one column."""
    names = [name for name in draw_names(random) if "," not in name]
    there = random.random((int(random.integers(4, 60)), len(names))) < random.choice([0.1, 0.3, 0.7], len(names))
    in_columns, as_words = bool(random.random() < 0.5), bool(random.random() < 0.3)
    rows: list[list[object]] = []
    for number, labels in enumerate(there):
        file = _file(random, root, f"{number}", int(labels.argmax()) if len(labels) else 0)
        cells = [bool(one) if as_words else int(one) for one in labels]
        rows.append([file, *(cells if in_columns else ["|".join(np.array(names)[labels])])])
    titles = [f"c{number}" for number in range(len(names))] if in_columns else ["label"]
    columns = f"data.source.label_column=[{','.join(titles)}]" if in_columns else "data.source.label_separator='|'"
    splits = _write(random, root, titles, rows)
    return Dataset(("data=csv", f"data.root={root}", columns, *splits, *_reading(random)), "label", multilabel=True)


def people(random: np.random.Generator, root: Path) -> Dataset:
    """A folder for each identity, with or without a list of pairs."""
    images = {f"p{person}": int(random.integers(1, 7)) for person in range(int(random.integers(4, 20)))}
    for person, (name, count) in enumerate(images.items()):
        for number in range(count):
            draw_image(random, root / name / f"{number}", person)
    typed = ["data=identities", f"data.root={root}", *_reading(random)]
    if random.random() < 0.3:
        people = list(images)
        folds = [_pairs({name: images[name] for name in people[part::2]}) for part in (0, 1)]
        number = min(len(pairs) for fold in folds for pairs in fold)
        lines = [line for fold in folds for pairs in fold for line in pairs[:number]]
        (root / "pairs.txt").write_text("\n".join([f"2\t{number}", *lines, ""]))
        typed.append("data.source.pairs=pairs.txt")
    return Dataset(tuple(typed), "identity")


def _pairs(images: dict[str, int]) -> tuple[list[str], list[str]]:
    """Return lines of pairs of the same person and of different ones, of people with so many images."""
    same = [f"{name}\t{i}\t{j}" for name, count in images.items() for i, j in combinations(range(1, count + 1), 2)]
    return same, [f"{a}\t1\t{b}\t{images[b]}" for a, b in combinations(images, 2)]


def _of_boxes(write: Write) -> Callable[[np.random.Generator, Path], Dataset]:
    return lambda random, root: Dataset((*write(random, root), f"data.root={root}"), "box")


def _litter(random: np.random.Generator, within: Path) -> None:
    """Leave beside the images what lies about in folders: notes, hidden files, links, copies, a folder to spare."""
    files = sorted(path for path in within.rglob("*") if path.is_file())
    some = files[int(random.integers(len(files)))]
    if random.random() < 0.1:
        some.with_name("notes.txt").write_text("not an image")
    if random.random() < 0.1:
        some.with_name(".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        some.with_name("._" + some.name).write_bytes(b"\0\5\26\7")
    if random.random() < 0.1:
        some.with_name("linked" + some.suffix).symlink_to(some)
    if random.random() < 0.1:
        other = files[int(random.integers(len(files)))]
        shutil.copyfile(some, other.with_name("copied" + some.suffix))
    if random.random() < 0.05:
        (within / "spare").mkdir()
    if random.random() < 0.05:
        draw_image(random, within / "unsorted" / "1", 0)


def _write(random: np.random.Generator, root: Path, titles: Sequence[str], rows: Sequence[list[object]]) -> list[str]:
    """Write a table, where it is to have them with a split for each row; return the override that reads those."""
    head, typed = ["image", *titles], []
    if random.random() < 0.5:
        head, typed = [*head, "split"], ["data.source.split_column=split"]
        names = [str(random.choice(words)) for words in SPLITS]
        for row in rows:
            row.append(names[int(random.choice(3, p=[0.6, 0.2, 0.2]))])
    quoting = csv.QUOTE_ALL if random.random() < 0.2 else csv.QUOTE_MINIMAL
    coding = "utf-8-sig" if random.random() < 0.2 else "utf-8"
    root.mkdir(parents=True, exist_ok=True)
    with (root / "labels.csv").open("w", newline="", encoding=coding) as file:
        csv.writer(file, delimiter=str(random.choice(DELIMITERS)), quoting=quoting).writerows([head, *rows])
    return typed


def _reading(random: np.random.Generator) -> list[str]:
    typed = ["data.source.channels=1"] if random.random() < 0.2 else []
    return [*typed, f"data.source.range={random.choice(RANGES)}"] if random.random() < 0.1 else typed


def _file(random: np.random.Generator, root: Path, stem: str, hue: int, channels: int | None = None) -> str:
    return str(draw_image(random, root / "images" / stem, hue, channels=channels)[0].relative_to(root))
