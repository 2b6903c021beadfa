"""Lists over a folder of identities: pairs in the format of Labeled Faces in the Wild, and curated triplets."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.data.sources.base import Indices, Pairs
from src.data.sources.table_rows import wrong_rows
from src.errors import UserError

FOLDS = 10
"""Of a list that names none (Huang et al. 2007, Labeled Faces in the Wild)."""


@dataclass(frozen=True)
class People:
    """Who is in which file: `names` of identities, the identity of each of `files`, which lie below `root`."""

    names: Sequence[str]
    identities: NDArray[np.int64]
    root: Path
    files: Sequence[str]

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each name."""
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def index_of(self) -> dict[str, int]:
        """The sample behind a path relative to the root."""
        return {Path(file).relative_to(self.root).as_posix(): index for index, file in enumerate(self.files)}

    @cached_property
    def _members(self) -> list[NDArray[np.int64]]:
        order = np.argsort(self.identities, kind="stable")
        return np.split(order, np.searchsorted(self.identities[order], np.arange(1, len(self.names))))

    def image(self, name: str, number: str) -> int | str:
        """Return image `number`, counted from 1, of a person, or what is wrong.

        Where the person's files are called NAME_0001.jpg, as those of the public set, the number is the file's;
        else it counts the images in natural order.
        """
        if name not in self.numbers:
            near = difflib.get_close_matches(name, self.names, n=1)
            return f"nobody is called {name}" + (f"; did you mean {near[0]}?" if near else "")
        if not number.isdecimal() or int(number) < 1:
            return f"{number!r} is no number of an image; they count from 1"
        members = self._members[self.numbers[name]]
        stems = {Path(self.files[index]).stem: int(index) for index in members}
        if f"{name}_{int(number):04d}" in stems:
            return stems[f"{name}_{int(number):04d}"]
        named = all(stem.startswith(f"{name}_") and stem.removeprefix(f"{name}_").isdecimal() for stem in stems)
        if named or int(number) > len(members):
            return f"{name} has {len(members)} images, and none with the number {number}"
        return int(members[int(number) - 1])


def read_pairs(file: Path, people: People) -> Pairs:
    """Read pairs: `name i j` shows one person twice, `name1 i name2 j` two people.

    The first line is the number of folds and that of pairs of each kind in a fold, or only the number of pairs of each
    kind. With folds, those that are not tested train (View 2 of Labeled Faces in the Wild); without, all pairs are a
    test (pairsDevTest.txt of View 1), dealt into ten folds, in order. Raises UserError with every wrong line.
    """
    lines = _lines(file, "data.source.pairs")
    heading = lines[0].split() if lines else []
    if len(heading) not in (1, 2) or not all(part.isdecimal() and int(part) > 0 for part in heading):
        raise UserError(
            f"{file}:1: {lines[0] if lines else ''!r}: expected the number of folds and of pairs, such as 10 300, "
            "or the number of pairs"
        )
    wrong: list[str] = []
    pairs: list[tuple[int, int, bool]] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        found = _pair(line.split("\t") if "\t" in line else line.split(), people)
        if isinstance(found, str):
            wrong.append(f"  {file}:{number}: {found}")
        else:
            pairs.append(found)
    per_kind = int(heading[-1])
    expected = 2 * per_kind * (int(heading[0]) if len(heading) == 2 else 1)
    if len(pairs) + len(wrong) != expected:
        wrong.insert(0, f"  {file}:1: announces {expected} pairs, and {len(pairs) + len(wrong)} follow")
    if wrong:
        raise wrong_rows(file, wrong)
    first, second, same = (np.array(column) for column in zip(*pairs, strict=True))
    places = np.arange(len(pairs)) // (2 * per_kind) if len(heading) == 2 else _dealt(same)
    samples = first.astype(np.int64), second.astype(np.int64)
    return Pairs(*samples, same.astype(np.bool_), places.astype(np.int64), trains=len(heading) == 2)


def _pair(fields: Sequence[str], people: People) -> tuple[int, int, bool] | str:
    """Return two samples and whether they show one person, or what is wrong with a line."""
    fields = [field.strip() for field in fields]
    if len(fields) not in (3, 4):
        return f"{len(fields)} fields where `name i j` or `name1 i name2 j` is expected"
    same = len(fields) == 3
    if not same and fields[0] == fields[2]:
        return f"{fields[0]} twice in a pair of two people; one person is `{fields[0]} {fields[1]} {fields[3]}`"
    others = [fields[0], fields[2]] if same else fields[2:]
    found = people.image(fields[0], fields[1]), people.image(others[0], others[1])
    faults = dict.fromkeys(one for one in found if isinstance(one, str))
    if faults:
        return "; ".join(faults)
    if found[0] == found[1]:
        return f"image {fields[1]} of {fields[0]} twice; a pair needs two images"
    return int(found[0]), int(found[1]), same


def _dealt(same: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the fold of each pair: those of each kind in runs of equal length."""
    places = np.empty(len(same), np.int64)
    for kind in (True, False):
        count = int((same == kind).sum())
        places[same == kind] = np.arange(count) * FOLDS // count
    return places


def read_triplets(file: Path, people: People) -> Indices:
    """Read a csv with the columns anchor, positive, negative: paths below the root. Returns samples (T, 3).

    Raises UserError with every wrong line: no such image, or anchor and positive are not two images of one person, or
    the negative shows the same.
    """
    lines = _lines(file, "data.source.triplets")
    columns = ["anchor", "positive", "negative"]
    if not lines or [name.strip() for name in lines[0].split(",")] != columns:
        raise UserError(f"{file}:1: {lines[0] if lines else ''!r}: expected the columns {','.join(columns)}")
    wrong: list[str] = []
    triplets: list[list[int]] = []
    for number, row in enumerate(csv.reader(lines[1:]), start=2):
        if not row:
            continue
        found = [people.index_of.get(Path(path.strip()).as_posix()) for path in row]
        faults = [f"no such image: {people.root / path.strip()}" for path, index in zip(row, found, strict=True) if index is None]  # fmt: skip # noqa: E501
        if len(row) != 3:
            faults = [f"{len(row)} fields where anchor, positive and negative are expected"]
        elif not faults:
            faults = _faults([index for index in found if index is not None], people)
        if faults:
            wrong.append(f"  {file}:{number}: {'; '.join(faults)}")
        else:
            triplets.append([index for index in found if index is not None])
    if wrong:
        raise wrong_rows(file, wrong)
    if not triplets:
        raise UserError(f"{file}: no rows below the header")
    return np.array(triplets, np.int64)


def _faults(triplet: Sequence[int], people: People) -> list[str]:
    anchor, positive, negative = (people.identities[index] for index in triplet)
    faults = []
    if triplet[0] == triplet[1]:
        faults.append("anchor and positive are the same image")
    if anchor != positive:
        faults.append(f"anchor and positive show {people.names[anchor]} and {people.names[positive]}, not one person")
    if anchor == negative:
        faults.append(f"the negative shows {people.names[negative]} as well")
    return faults


def found_list(name: str, places: Sequence[Path], key: str) -> Path:
    """Return the file called `name` in the first of the folders that has it.

    Raises UserError with all the places where it was looked for.
    """
    files = list(dict.fromkeys(place / Path(name).expanduser() for place in places))
    for file in files:
        if file.is_file():
            return file
    raise UserError(f"{key}={name}: No such file; it was looked for as {', '.join(map(str, files))}")


def _lines(file: Path, key: str) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{key}={file}: {reason}") from error
