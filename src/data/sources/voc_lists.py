"""Lists of image names, a file per split, as Pascal VOC's ImageSets/Main has them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from src.data.decode import IMAGE_SUFFIXES
from src.data.sources.split_paths import one_each
from src.data.split_names import split_named
from src.errors import UserError

_OF_A_CLASS = re.compile(r"(.*\S)\s+(?:-1|0|1)")
"""A name, and whether its image shows the class that the list is of: 1, -1 not, 0 only difficult ones."""
_ALL = ("default", "all")
"""What tools call a list that is of no split: CVAT's default.txt."""


@dataclass(frozen=True)
class Listed:
    """A line of a list: the name as it stands there, and where."""

    line: str
    where: str


@dataclass(frozen=True)
class Lists:
    """The lines of each split's list, empty where there are no lists, and the lists that are there and not used."""

    splits: dict[str, list[Listed]]
    unused: tuple[str, ...]


def read_lists(files: Mapping[str, Path]) -> Lists:
    """Read the lists of splits among text files, by what each is called.

    Names of splits may be in any case. `trainval` is train where train has no list of its own: what val does not list.
    Raises UserError where two lists are of one split, or one is no text.
    """
    content = {name: _lines(file) for name, file in files.items()}
    chosen = one_each(content, "lists", "auto")
    splits: dict[str, list[Listed]] = {split: content[name] for split, name in chosen.items()}
    if "val" in splits and split_named(chosen.get("train", "")) == "trainval":
        val = {one.line for one in splits["val"]}
        splits["train"] = [one for one in splits["train"] if one.line not in val]
    if not splits:
        whole = [name for name in content if name.lower() in _ALL]
        splits = {"all": content[whole[0]]} if whole else {}
        chosen = {"all": whole[0]} if whole else {}  # type: ignore[dict-item]
    used = {one.line for lines in splits.values() for one in lines}
    unused = [
        name
        for name, lines in content.items()
        if name not in chosen.values() and not _is_of_a_class(lines) and not {one.line for one in lines} <= used
    ]
    return Lists(splits, tuple(str(files[name]) for name in unused))


def name_of(line: str, is_known: Callable[[str], bool]) -> str:
    """Return the name of an image that a line of a list means: all of it, for names have spaces.

    What does not belong to a name is left out where the name is known only without: the second column of a list of a
    class, folders, the ending of a picture.
    """
    candidates = [line]
    if column := _OF_A_CLASS.fullmatch(line):
        candidates.append(column[1])
    for text in list(candidates):
        stem, suffix = os.path.splitext(text)  # noqa: PTH122 - of a name in a list
        plain = stem if suffix.lower() in IMAGE_SUFFIXES | {".xml"} else text
        candidates += [plain, plain.replace("\\", "/").rpartition("/")[2]]
    known = next((name for name in candidates if name and is_known(name)), None)
    return known or (column[1] if column else line)


def _is_of_a_class(lines: Iterable[Listed]) -> bool:
    return all(_OF_A_CLASS.fullmatch(one.line) for one in lines)


def _lines(file: Path) -> list[Listed]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is no readable list of names: {error}") from error
    numbered = enumerate(text.splitlines(), 1)
    return [Listed(line.strip(), f"{file}:{number}") for number, line in numbered if line.strip()]
