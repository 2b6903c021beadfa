"""In which folder the pictures lie that annotations are of, found by the names of some of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable

from src.data.decode import IMAGE_SUFFIXES
from src.data.split_names import split_named

Tree = dict[str, list[str]]
"""The names of the files in every folder, by its path below a root."""


def pictures_of(tree: Tree) -> Tree:
    """Return the folders with their pictures alone."""
    return {folder: [name for name in names if _is_picture(name)] for folder, names in tree.items()}


def holding(tree: Tree, wanted: Callable[[set[str]], bool]) -> list[str]:
    """Return the folders that directly hold the files that are `wanted`, else those below which all of them lie."""
    direct = [folder for folder, names in tree.items() if wanted(set(names))]
    return direct or [folder for folder in tree if wanted(_below(tree, folder))]


def nearest(folders: Iterable[str], own: str, split: str) -> list[str]:
    """Return which of the folders are meant for annotations of `split` in the folder `own`; several where that is open.

    One that is named after the split comes before one that is named after none, and that before one of another split;
    of those their own folder, then what has most folders in common with it, and lies deepest below the others.
    """
    ranks: dict[tuple[int, bool, int], list[str]] = {}
    for folder in folders:
        named = {split_named(part) for part in folder.split("/")} - {None}
        rank = 0 if split in named else 1 if not named else 2
        ranks.setdefault((rank, folder != own, -_shared(folder, own)), []).append(folder)
    best = ranks[min(ranks)] if ranks else []
    return [folder for folder in best if not any(_is_below(other, folder) for other in best)]


def _shared(folder: str, own: str) -> int:
    """Return how many folders lead to both."""
    pairs = zip(folder.split("/"), own.split("/"), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _is_below(folder: str, other: str) -> bool:
    return folder != other and (other == "." or folder.startswith(f"{other}/"))


def _below(tree: Tree, folder: str) -> set[str]:
    return {name for other, names in tree.items() if other == folder or _is_below(other, folder) for name in names}


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - for every file of a large folder
