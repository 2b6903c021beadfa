"""Which file, and which line of it, a dotted key came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from src.config.groups import Loader, readable
from src.config.overrides import Typed
from src.config.problems import COMMAND_LINE


@dataclass(frozen=True)
class Layer:
    """A file that was merged, and the dotted key that its content lies under."""

    path: Path
    package: str


class Origins:
    """The places of the keys of one configuration: the command line, else the last of its files that has the key."""

    def __init__(self, layers: Sequence[Layer], typed: Sequence[Typed], fallback: str) -> None:
        self.layers, self.typed, self.fallback = layers, typed, fallback

    def of(self, key: str) -> tuple[str, str]:
        """Return where a key came from, and the key as it was written there."""
        for override in reversed(self.typed):
            if override.key == key:
                return COMMAND_LINE, override.canonical
            if key.startswith(f"{override.key}.") and _holds(override.values[0], key[len(override.key) + 1 :]):
                return COMMAND_LINE, key
        below = [override for override in self.typed if override.key.startswith(f"{key}.")]
        place = self._in_files(key, sections_only=bool(below))
        if place is None and below:
            return COMMAND_LINE, below[-1].canonical
        parents = key.split(".")[:-1]
        while place is None and parents:
            place = self._in_files(".".join(parents))
            parents.pop()
        return place or self.fallback, key

    def _in_files(self, key: str, *, sections_only: bool = False) -> str | None:
        """Return the last file that has a key, with its line."""
        for layer in reversed(self.layers):
            line, node = _find(layer, key)
            if line and (isinstance(node, yaml.MappingNode) or not sections_only):
                return f"{readable(layer.path)}:{line}"
            if layer.package == key:
                return readable(layer.path)
        return None

    def chosen_by(self, group: str) -> str:
        """Return where a section's choice lies: the file of the last layer that is a choice of the group."""
        paths = [layer.path for layer in self.layers if layer.package == group]
        return readable(paths[-1]) if paths else self.fallback


def _holds(value: object, dotted: str) -> bool:
    """Return whether a value typed as a section has the dotted key in it."""
    for part in dotted.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def _find(layer: Layer, key: str) -> tuple[int, yaml.Node | None]:
    """Return the line of a key in a file and its value there, line 0 where it is not there."""
    prefix = f"{layer.package}." if layer.package else ""
    node, line = _root(layer.path) if key.startswith(prefix) else None, 0
    for part in key.removeprefix(prefix).split("."):
        pairs = [pair for pair in node.value if pair[0].value == part] if isinstance(node, yaml.MappingNode) else []
        if not pairs:
            return 0, None
        line, node = pairs[-1][0].start_mark.line + 1, pairs[-1][1]
    return line, node


@cache
def _root(path: Path) -> yaml.Node | None:
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), Loader)
    except (OSError, ValueError, yaml.YAMLError):
        return None
