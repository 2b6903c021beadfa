"""Paths with `{split}` in them: which files and folders they name, and of which split each is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from src.data.split_names import SPLITS, WORD, Split, by_split, split_named
from src.errors import UserError

SPLIT = "{split}"


def split_paths(root: Path, pattern: str, key: str, *, is_glob: bool = False) -> dict[Split, list[tuple[str, Path]]]:
    """Return what is there below `root` of each split under a path with `{split}`: what stands there, and the path.

    `{split}` stands for any usual name of a split, in any case. Raises UserError where two names are of one split.
    """
    special = r"\*\*/|\*|\?" if is_glob else "(?!)"
    parts = [_glob_part(part, special) for part in pattern.split(SPLIT)]
    wanted = re.compile(r"(?P<split>[^/]+?)".join(parts[:2]) + "".join("(?P=split)" + part for part in parts[2:]))
    text = pattern if is_glob else re.sub(r"([*?[])", r"[\1]", pattern)
    found: dict[str, list[Path]] = {}
    for path in sorted(root.glob(text.replace(SPLIT, "*"))):
        match = wanted.fullmatch(path.relative_to(root).as_posix())
        if match is not None:
            found.setdefault(match["split"], []).append(path)
    return {split: [(name, path) for path in found[name]] for split, name in one_each(found, key, pattern).items()}


def one_each(names: Iterable[str], key: str, pattern: str) -> dict[Split, str]:
    """Return the one name of each split. Raises UserError where a split has two."""
    named = by_split(names)
    for split, several in named.items():
        if len(several) > 1:
            raise UserError(
                f"data.source.{key}={pattern}: {' and '.join(several)} are both the {split} split; remove one"
            )
    return {split: several[0] for split, several in named.items()}


def pattern_of(path: str) -> tuple[str, str]:
    """Return a path with `{split}` in place of the name of a split in it, and that name; the path itself without one.

    A folder's whole name must be usual for a split (`train`, `Valid`, `test_images`), a file's need only have the word
    (`instances_train2017.json`).
    """
    *folders, file = path.split("/")
    stem, dot, suffix = file.rpartition(".")
    named = [folder for folder in folders if split_named(folder)] + WORD.findall(stem or file)
    if not named or len(set(named)) > 1:
        return path, ""
    name = named[0]
    replaced = [SPLIT if folder == name else folder for folder in folders]
    whole = (stem + dot if stem else "") and WORD.sub(SPLIT, stem) + dot + suffix
    return "/".join([*replaced, whole or WORD.sub(SPLIT, file)]), name


def typed(**keys: str) -> str:
    """Return keys of the source as they are typed in a shell; braces want Hydra's quotes within those of the shell."""
    return " ".join(
        f"data.source.{key}={value}" if re.fullmatch(r"[\w./-]+", value) else f"data.source.{key}=\"'{value}'\""
        for key, value in keys.items()
    )


def expected(pattern: str) -> list[str]:
    """Return what a path stands for, with the plain name of each split in it."""
    return [pattern.replace(SPLIT, split) for split in SPLITS] if SPLIT in pattern else [pattern]


def _glob_part(text: str, special: str) -> str:
    """Return the expression for a part of a path, in which `*` and `?` are wildcards where it is a glob."""
    wild = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(f"({special})", text)
    return "".join(
        wild.get(piece, re.escape(piece)) if number % 2 else re.escape(piece) for number, piece in enumerate(pieces)
    )
