"""Which files below a folder are images, by one rule for training and for predicting: nothing is left out uncounted."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from src.data.decode import IMAGE_SUFFIXES
from src.errors import UserError, listed

_BESIDE = frozenset({".csv", ".db", ".htm", ".html", ".ini", ".json", ".jsonl", ".md", ".pdf", ".tsv", ".txt", ".xml", ".yaml", ".yml"})  # fmt: skip # noqa: E501
"""Endings of files that are no images anywhere: nobody misses them."""


ARCHIVES = frozenset({".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar"})
"""Endings of what must be unpacked first."""


@dataclass
class Listing:
    """The images below a folder, sorted within each folder, and what else is there."""

    images: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    """How many files have each ending that is no image's and no document's, in lower case; "" for none."""
    example: str | None = None
    """One of them."""

    def __iadd__(self, other: Listing) -> Listing:
        """Take over what another folder holds."""
        self.images += other.images
        self.others += other.others
        self.example = self.example or other.example
        return self

    def left_out(self) -> str | None:
        """Return a clause that counts the files whose endings are no images', None where there are none."""
        if not self.others:
            return None
        kinds = [f"{count} {_ending(name)}" for name, count in self.others.most_common(8)]
        total = sum(self.others.values())
        return (
            f"{total} file{'s' * (total > 1)} left out for the ending, as of no known image: {', '.join(kinds)} "
            f"({self.example}); images end in {', '.join(sorted(IMAGE_SUFFIXES))}"
        )


def list_images(folder: Path) -> Listing:
    """Return all images below a folder, through linked folders too; hidden files and folders are left alone.

    A link that leads back to a folder above it is not followed. Raises UserError where a folder cannot be listed.
    """
    found = Listing()
    for here, names in walk(f"{folder}"):
        for name in names:
            ending = os.path.splitext(name)[1].lower()  # noqa: PTH122 - half the time of Path's, for every file
            path = f"{here}{os.sep}{name}"
            if ending in IMAGE_SUFFIXES:
                found.images.append(path)
            elif ending not in _BESIDE:
                found.others[ending] += 1
                found.example = found.example or path
    return found


def first_image(folder: Path) -> str | None:
    """Return the first image below a folder, None where there is none."""
    return next((f"{here}{os.sep}{name}" for here, names in walk(f"{folder}") for name in names if is_image(name)), None)  # fmt: skip # noqa: E501


def holds_image(folder: Path | str, above: frozenset[tuple[int, int]] = frozenset()) -> bool:
    """Tell whether an image lies below a folder, by looking at no more files than that takes."""
    inner = []
    try:
        status = os.stat(folder)  # noqa: PTH116
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return False
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_hidden(entry.name):
                    continue
                if entry.is_dir():
                    inner.append(entry.path)
                elif is_image(entry.name):
                    return True
    except OSError as error:
        raise UserError(f"{folder} cannot be listed: {error.strerror}") from None
    return any(holds_image(path, above | {identity}) for path in inner)


def is_image(name: str) -> bool:
    """Tell whether a file's ending is one of an image."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122


def visible_folders(folder: Path) -> list[Path]:
    """Return the folders in `folder` that are not hidden, sorted. Raises OSError where it cannot be listed."""
    with os.scandir(folder) as entries:
        return [folder / name for name in sorted(entry.name for entry in entries if entry.is_dir() and not is_hidden(entry.name))]  # fmt: skip # noqa: E501


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is one that no person put there: .git, .ipynb_checkpoints, __MACOSX, ._1.jpg."""
    return name.startswith(".") or name == "__MACOSX"


def walk(
    folder: str, depth: int | None = None, above: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder with the names of its files, sorted, the folder before those in it; hidden ones are left alone.

    `depth` is how many levels below `folder` are looked at; None: all. A link back to a folder above is not followed.
    Raises UserError where a folder cannot be listed.
    """
    try:
        status = os.stat(folder)  # noqa: PTH116
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return
        with os.scandir(folder) as entries:
            visible = [(entry.name, entry.is_dir()) for entry in entries if not is_hidden(entry.name)]
    except OSError as error:
        raise UserError(f"{folder} cannot be listed: {error.strerror}") from None
    yield folder, sorted(name for name, is_folder in visible if not is_folder)
    if depth == 0:
        return
    for name in sorted(name for name, is_folder in visible if is_folder):
        yield from walk(f"{folder}{os.sep}{name}", None if depth is None else depth - 1, above | {identity})


def _ending(ending: str) -> str:
    return f"end in {ending}" if ending else "have no ending"


def visible_files(root: Path, depth: int | None = None) -> dict[str, list[str]]:
    """Return the names of the files in every folder below `root`, sorted, by the folder's path below it (`.` itself).

    A folder that links lead to in several ways is taken once. `depth` as for `walk`; no files where there is no folder.
    """
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for here, names in walk(f"{root}", depth) if root.is_dir() else ():
        real = os.path.realpath(here)
        if real not in seen:
            seen.add(real)
            found[os.path.relpath(here, root).replace(os.sep, "/")] = names
    return found


def described(root: Path, files: dict[str, list[str]], shown: int = 12) -> str:
    """Return what lies in folders in words: how many files of which endings each has."""
    lines = []
    for folder, names in files.items():
        endings = Counter(os.path.splitext(name)[1].lower() or "without ending" for name in names)  # noqa: PTH122
        if endings:
            counts = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(4))
            lines.append(f"{'.' if folder == '.' else folder + '/'}: {counts}")
    more = [f"and {len(lines) - shown} more folders"] if len(lines) > shown else []
    return "; ".join([*lines[:shown], *more]) or f"no files in {root}"


def find_below(root: Path, name: str, folders: int = 200) -> str | None:
    """Return the path below `root` of a file of this name, the first in the first so many folders, None for none."""
    for here, names in islice(walk(f"{root}"), folders):
        if name in names:
            return os.path.relpath(f"{here}{os.sep}{name}", root).replace(os.sep, "/")
    return None


def missing_folder(folder: Path, error: OSError) -> str:
    """Return the message for a data folder that cannot be listed, with the part of its path that does exist."""
    if isinstance(error, NotADirectoryError) and folder.suffix.lower() in ARCHIVES:
        return f"data.root={folder} is an archive: unpack it, and name the folder"
    if not isinstance(error, FileNotFoundError):
        return f"data.root={folder}: {error.strerror}"
    parent = next(parent for parent in folder.absolute().parents if parent.is_dir())
    inside = [child.name for child in sorted(parent.iterdir()) if child.is_dir() and not is_hidden(child.name)]
    near = difflib.get_close_matches(folder.absolute().relative_to(parent).parts[0], inside, n=1)
    hint = (
        f"did you mean {parent / near[0]}?"
        if near
        else f"{parent} exists and holds {listed(inside) or 'no folders'}; type data.root=FOLDER"
    )
    return f"data.root={folder}: no such folder; {hint}"


def is_file(path: Path | str) -> bool:
    """Tell whether a file is there, in half of the time of Path's own, for every row of a long table."""
    return os.path.isfile(f"{path}")  # noqa: PTH113
