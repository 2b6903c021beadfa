"""The pictures below a folder, found by whatever an annotation calls them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from src.data.decode import IMAGE_SUFFIXES
from src.data.listing import is_file, visible_files


class PictureFiles:
    """The pictures of `folder`, a path below `root`, as paths below `root`.

    Annotation tools name a picture by its path on another machine, with the other system's slashes, or with the ending
    that it had before it was converted. The base name then decides, where only one picture has it.
    """

    def __init__(self, root: Path, folder: str) -> None:
        self.root, self.folder = root, folder
        self._by_name: dict[str, list[str]] | None = None
        self._taken: dict[str, str] = {}

    def named(self, name: str) -> str:
        """Return the picture that an annotation calls `name`. Raises LookupError, saying why, where there is none."""
        direct = self._below(name)
        if is_file(self._whole(direct)):
            return self._take(direct, name)
        plain = name.replace("\\", "/")
        base = plain.rpartition("/")[2]
        close = [self._below(plain.lstrip("./")), plain.lstrip("./"), self._below(base)]
        for path in close:
            if base and is_file(self._whole(path)):
                return self._take(path, name)
        return self._take(self._only(self._index().get(_plain(base), []), plain, name), name)

    def of_stem(self, stem: str) -> str | None:
        """Return the picture with this name without ending, directly in the folder or in one below it, or None."""
        direct = self._below(stem)
        for suffix in (".jpg", ".png", ".jpeg"):
            if is_file(self._whole(f"{direct}{suffix}")):
                return f"{direct}{suffix}"
        found = self._index().get(f"/{_plain(stem.rpartition('/')[2])}", [])
        inside = [path for path in found if path.rpartition(".")[0] == direct] or found
        return inside[0] if len(inside) == 1 else None

    def all(self) -> list[str]:
        """Return all pictures, in order."""
        return sorted({path for paths in self._index().values() for path in paths})

    def _whole(self, path: str) -> str:
        return os.path.join(self.root, path)  # noqa: PTH118 - for every image of a large set

    def _below(self, name: str) -> str:
        return name if self.folder in ("", ".") else f"{self.folder}/{name}"

    def _only(self, found: list[str], plain: str, name: str) -> str:
        """Return the one picture that is meant: of several with the base name that with the most folders in common."""
        if not found:
            raise LookupError(f"no such image: {self.root / self._below(name)}")
        shared = [_shared(path.split("/"), plain.split("/")) for path in found]
        best = [path for path, length in zip(found, shared, strict=True) if length == max(shared)]
        if len(best) > 1:
            raise LookupError(
                f"no such image: {self.root / self._below(name)}; several have its name: {', '.join(sorted(best)[:5])}"
            )
        return best[0]

    def _take(self, path: str, name: str) -> str:
        """Return a path. Raises LookupError where another name has led to it."""
        before = self._taken.setdefault(path, name)
        if before != name:
            raise LookupError(f"no such image of its own: {name} and {before} would both be {path}")
        return path

    def _index(self) -> dict[str, list[str]]:
        """Return the paths of all pictures in the folder or below by their names, and by `/` with the bare stem."""
        if self._by_name is None:
            self._by_name = {}
            for inner, names in visible_files(self.root / self.folder).items():
                for name in names:
                    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - for every file of a large folder
                    if suffix.lower() in IMAGE_SUFFIXES:
                        path = self._below(name if inner == "." else f"{inner}/{name}")
                        self._by_name.setdefault(_plain(name), []).append(path)
                        self._by_name.setdefault(f"/{_plain(stem)}", []).append(path)
        return self._by_name


def _shared(path: list[str], other: list[str]) -> int:
    """Return how many names at the ends of two paths are the same."""
    pairs = zip(reversed(path), reversed(other), strict=False)
    return next((number for number, (one, two) in enumerate(pairs) if one != two), min(len(path), len(other)))


def _plain(name: str) -> str:
    """Return a name as it is composed on most systems: macOS keeps accents apart from their letters."""
    return unicodedata.normalize("NFC", name)
