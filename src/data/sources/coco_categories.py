"""The classes behind the categories of a set in COCO's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Categories:
    """Classes in the order of the ids of the first file; later files may count otherwise, since names decide.

    Categories of one name are one class. One that is only the parent of others and has no object is none: Roboflow
    writes the name of the project so, with the id 0.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._parents: set[str] = set()
        self._seen: set[str] = set()

    def read(self, entries: list[Mapping[str, Any]]) -> dict[int | str, str]:
        """Take over the categories of a file, and return the name of each id."""
        named = {key(one["id"]): str(one["name"]).strip() for one in entries}
        self._names += [named[number] for number in sorted(named, key=_order)]
        for one in entries:
            parent = str(one.get("supercategory") or "").strip()
            self._parents |= {parent} - {str(one["name"]).strip()}
        return named

    def seen(self, name: str) -> None:
        """Remember that an object is of this class."""
        self._seen.add(name)

    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes, those without an object too."""
        return tuple(name for name in dict.fromkeys(self._names) if name not in self.dropped())

    def dropped(self) -> list[str]:
        """Return the names that are no class, since they only stand above others."""
        return [name for name in dict.fromkeys(self._names) if name in self._parents - self._seen]


def key(number: Any) -> int | str:
    """Return an id, a whole number where it is one however it is written: some tools write 1 here and "1" there."""
    text = str(number).strip()
    return int(text) if text.lstrip("-").isdecimal() else text


def _order(number: int | str) -> tuple[bool, int, str]:
    return isinstance(number, str), number if isinstance(number, int) else 0, str(number)
