"""What was read from source text, kept on disk for as long as every file that it was read from stays the same.

Only speed depends on it: a missing, broken or unwritable cache changes nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from src.config.reader import Reader

READERS = (
    *("annotations", "cache", "forwarding", "modules", "parameters", "reader", "signatures", "standard", "types"),
)
"""Modules of this package whose change makes the cache worthless."""

Row = dict[str, Any]


def cached(question: str, answer: Callable[[Reader], Row]) -> Row:
    """Return `answer`, from disk where it was given before and no file that it depended on has changed.

    An exception of `answer` is passed on and not kept.
    """
    path = folder() / f"{_key(question)}.json"
    kept = _load(path)
    if kept is not None:
        return kept
    reader = Reader()
    row = answer(reader)
    _store(path, {"files": [_state(file) for file in sorted(reader.files)], "row": row})
    return row


def folder() -> Path:
    """Return where answers are kept: `convpipe/signatures` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "convpipe", "signatures")


def _key(question: str) -> str:
    """Return a file name for a question as asked by this Python, with this path, of this version of the readers."""
    text = json.dumps([question, sys.version, sys.path, _readers()])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@cache
def _readers() -> list[list[Any]]:
    """Return the state of the readers when this process first asked: it goes on with those that it has loaded."""
    return [_state(Path(__file__).with_name(f"{name}.py")) for name in READERS]


def _state(path: Path) -> list[Any]:
    """Return what changes when a file does."""
    status = path.stat()
    return [str(path), status.st_mtime_ns, status.st_size]


def _load(path: Path) -> Row | None:
    try:
        content = json.loads(path.read_bytes())
        fresh = all(_state(Path(state[0])) == state for state in content["files"])
        row = content["row"]
        return row if fresh and isinstance(row, dict) else None
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _store(path: Path, content: Row) -> None:
    """Write beside the target and rename, so that two processes never see half a file."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content))
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
