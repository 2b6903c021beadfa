"""What lies below a folder, as far as a person put it there."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

_SHOWN = 12


def visible_files(root: Path, depth: int | None = None) -> dict[str, list[str]]:
    """Return the names of the files in every folder below `root`, sorted, by the folder's path below it (`.` itself).

    Hidden files and folders are left alone, links are followed, but never twice into one folder. `depth` is how many
    levels below `root` are looked at; None: all.
    """
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for here, folders, names in os.walk(root, followlinks=True):
        inner = os.path.relpath(here, root).replace(os.sep, "/")
        level = 0 if inner == "." else inner.count("/") + 1
        real = os.path.realpath(here)
        folders[:] = sorted(name for name in folders if not _is_hidden(name)) if depth is None or level < depth else []
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        found[inner] = sorted(name for name in names if not _is_hidden(name))
    return found


def listed(root: Path, files: dict[str, list[str]]) -> str:
    """Return what lies there in words: how many files of which endings each folder has."""
    lines = []
    for folder, names in files.items():
        endings = Counter(os.path.splitext(name)[1].lower() or "without ending" for name in names)  # noqa: PTH122
        if endings:
            counts = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(4))
            lines.append(f"{'.' if folder == '.' else folder + '/'}: {counts}")
    more = [f"and {len(lines) - _SHOWN} more folders"] if len(lines) > _SHOWN else []
    return "; ".join([*lines[:_SHOWN], *more]) or f"no files in {root}"


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
