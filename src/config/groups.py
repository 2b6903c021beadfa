"""The folders of configuration files: which groups there are, their choices, and what a choice's files say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CONF = Path(__file__).resolve().parents[2] / "conf"

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class Content:
    """What one choice brings, all its files together: values, and choices for other groups."""

    values: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Groups:
    """conf/ and, behind it, the user's own folders; a file that both have is taken from conf/, as Hydra does."""

    folders: tuple[Path, ...] = (CONF,)

    def is_group(self, name: str) -> bool:
        """Return whether some folder has a group of that name."""
        return bool(name) and any((folder / name).is_dir() for folder in self.folders)

    def names(self) -> list[str]:
        """Return the groups that there is something to choose from, Hydra's own left out."""
        found = {path.name for folder in self.folders for path in folder.iterdir() if path.is_dir()}
        return sorted(name for name in found if name != "hydra" and self.choices(name))

    def choices(self, group: str, *, bases: bool = False) -> list[str]:
        """Return the choices of a group, or its shared bases, whose files begin with an underscore."""
        found = {path.stem for folder in self.folders for path in (folder / group).glob("*.yaml")}
        return sorted(name for name in found if name.startswith("_") == bases)

    def with_choice(self, name: str) -> list[str]:
        """Return the groups that have a choice of that name."""
        return [group for group in self.names() if name in self.choices(group)]

    def file(self, name: str) -> Path | None:
        """Return the file of a configuration such as `train` or `model/resnet`."""
        paths = [folder / f"{name}.yaml" for folder in self.folders]
        return next((path for path in paths if path.is_file()), None)

    def duplicates(self, name: str) -> list[Path]:
        """Return all files of a configuration, the one that is used first."""
        paths = [folder / f"{name}.yaml" for folder in self.folders]
        return [path for path in paths if path.is_file()]

    def content(self, group: str, choice: str, seen: frozenset[str] = frozenset()) -> Content:
        """Return what a choice's file says, with the files of its group that it builds on."""
        path = self.file(f"{group}/{choice}")
        body = document(path) if path is not None and choice not in seen else {}
        content = Content()
        for entry in body.get("defaults") or ():
            if isinstance(entry, str) and not entry.startswith("/") and entry != "_self_":
                base = self.content(group, entry, seen | {choice})
                merge(content.values, base.values)
                content.choices.update(base.choices)
            elif isinstance(entry, Mapping):
                content.choices.update(_chosen(entry))
        merge(content.values, {key: value for key, value in body.items() if key != "defaults"})
        return content


def _chosen(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return group and choice of a defaults entry such as `override /network@_global_.network: resnet`."""
    words = {str(key).removeprefix("optional ").removeprefix("override "): value for key, value in entry.items()}
    return {key.lstrip("/").partition("@")[0]: str(value) for key, value in words.items() if value is not None}


def merge(values: dict[str, Any], further: Mapping[str, Any]) -> None:
    """Merge `further` into `values`, section by section."""
    for key, value in further.items():
        if not isinstance(value, Mapping):
            values[key] = value
            continue
        if not isinstance(values.get(key), dict):
            values[key] = {}
        merge(values[key], value)


@cache
def document(path: Path) -> dict[str, Any]:
    """Return a file's content, empty where it is none that could be read: Hydra reports that."""
    try:
        body = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return body if isinstance(body, dict) else {}


def leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values by dotted key."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= leaves(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def readable(path: Path) -> str:
    """Return a path as short as it can be typed: relative to the working folder where it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
