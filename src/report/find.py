"""From folders and globs, as typed, to the run directories that they mean."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from src.errors import UserError

MARK = "config.yaml"
"""The file that every run has, whether it was exported or not."""
_NAMED = 20


def find_runs(arguments: Sequence[str]) -> list[Path]:
    """Return run directories, each once: those named, those below folders that are none, and what globs match.

    Links below a folder, such as `latest`, are not followed. Raises UserError with everything that is no run and
    holds none.
    """
    found: dict[Path, None] = {}
    wrong: list[str] = []
    for argument in arguments:
        paths = [Path(argument)] if Path(argument).exists() else [Path(name) for name in sorted(glob.glob(argument))]  # noqa: PTH207 - takes absolute patterns too
        below = [run for path in paths for run in _runs_at(path)]
        if not below:
            wrong.append(f"  {argument}: {'holds no run' if paths else 'there is no such folder'}")
        found.update(dict.fromkeys(run.resolve() for run in below))
    if wrong:
        more = [f"  and {len(wrong) - _NAMED} more"] if len(wrong) > _NAMED else []
        raise UserError("\n".join([f"not a run directory (each has a {MARK}):", *wrong[:_NAMED], *more]))
    return list(found)


def _runs_at(path: Path) -> Iterator[Path]:
    """Yield a run directory, or those below a folder; nothing is looked for inside a run."""
    for folder, names, files in os.walk(path):
        if MARK in files:
            names.clear()
            yield Path(folder)
        names[:] = sorted(name for name in names if not name.startswith("."))
