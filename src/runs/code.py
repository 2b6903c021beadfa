"""What code ran, file by file, with or without git: so that a later run can say which files differ."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from src.config.modules import find

ROOT = Path(__file__).resolve().parents[2]
PLACES = {"src": ("*.py", "*.html", "*.css", "*.js"), "conf": ("*.yaml",)}
"""What the project is made of: folders, and the files in them that count."""
_DIGEST_BYTES = 8


def code_files(root: Path = ROOT, packages: Iterable[str] = ()) -> dict[str, str]:
    """Return a digest of every source and configuration file of the project, by its path below `root`.

    Python files of other `packages` have the package's name in front.
    """
    paths = sorted(
        path for place, patterns in PLACES.items() for kind in patterns for path in (root / place).rglob(f"[!.]{kind}")
    )
    found = {path.relative_to(root).as_posix(): _digest(path.read_bytes()) for path in paths}
    for package in packages:
        file = find(package)
        if file is not None and (file.name == "__init__.py" or file.is_dir()):
            folder = file if file.is_dir() else file.parent
            own = {f"{package}/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("[!.]*.py")}
        else:
            own = {} if file is None else {file.name: file}
        found |= {name: _digest(path.read_bytes()) for name, path in sorted(own.items())}
    return found


def code_record(root: Path = ROOT, packages: Iterable[str] = ()) -> dict[str, Any]:
    """Return what `code.json` says: a digest over all files, and each one's."""
    files = code_files(root, packages)
    return {"digest": _digest(json.dumps(files).encode()), "files": files}


def commit_state(root: Path = ROOT) -> dict[str, Any]:
    """Return the commit of the code and whether it was changed since; None where it is not a git checkout."""

    def git(*arguments: str) -> str | None:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    try:
        commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    except OSError:
        commit, changes = None, None
    return {"commit": commit, "dirty": bool(changes) if changes is not None else None}


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
