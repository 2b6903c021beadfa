"""Copies of a bucket's chunks on the local disk, never more than so many bytes of them, shared by all processes.

LitData's own cache is made for readers that use a chunk up before they take the next: read at random it went to five
times its bound. Here a sample is read by opening its chunk, reading, and closing it again, so a chunk can be removed at
any moment: who comes too late fetches it once more.

Room is made under one lock: the copies used longest ago go first. A chunk is fetched under a lock of its own into a
`.part` of its full size, which counts from the beginning; who dies leaves a part that nobody holds, and it goes too.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from src.errors import UserError

FOLDER = "stream"
_PART = ".part"
_WAIT = 0.02  # seconds between two looks at whether others have finished


class ChunkCache:
    """Files by name in `cache_dir/stream/DIGEST`; `bound` bytes for all that lies below `cache_dir/stream`."""

    def __init__(self, cache_dir: Path, digest: str, bound: int) -> None:
        self.root = cache_dir / FOLDER
        self.folder = self.root / digest[:16]
        self.bound = bound

    def open(self, name: str, size: int, fetch: Callable[[IO[bytes]], None]) -> IO[bytes]:
        """Open a chunk of `size` bytes for reading; `fetch` writes it into a file where it is not there.

        Raises UserError where the folder cannot be written, or `size` is more than may be kept.
        """
        path = self.folder / name
        try:
            return _opened(path)
        except FileNotFoundError:
            pass
        if size > self.bound:
            raise UserError(
                f"data.stream_cache={self.bound / 2**30:g} GiB is less than one chunk ({size / 2**20:.0f} MiB); "
                f"type data.stream_cache={2 * size / 2**30:.2g} or more"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock(path):
                try:
                    return _opened(path)
                except FileNotFoundError:
                    return self._fetch(path, size, fetch)
        except OSError as error:
            raise UserError(
                f"data.cache_dir={self.root.parent}: {name} cannot be kept: {error.strerror or error}"
            ) from error

    def drop(self, name: str) -> None:
        """Remove a chunk that turned out to be damaged."""
        (self.folder / name).unlink(missing_ok=True)

    def _fetch(self, path: Path, size: int, fetch: Callable[[IO[bytes]], None]) -> IO[bytes]:
        """Return the chunk, opened before it has its name: from then on others may remove it."""
        part = path.with_name(f"{path.name}{_PART}")
        try:
            self._reserve(part, size)
            with part.open("r+b") as file:
                fetch(file)
            opened = _opened(part)
            part.replace(path)
            return opened
        finally:
            part.unlink(missing_ok=True)

    def _reserve(self, part: Path, size: int) -> None:
        """Make an empty file of `size` bytes once all files together leave room for it."""
        while True:
            with FileLock(self.root / ".lock"):
                part.unlink(missing_ok=True)
                if self._make_room(size):
                    with part.open("wb") as file:
                        file.truncate(size)
                    return
            time.sleep(_WAIT)  # all that is left is being fetched by others; then it can go

    def _make_room(self, size: int) -> bool:
        """Remove what was used longest ago until `size` more bytes fit, and tell whether they do."""
        found = []
        for folder in self.root.iterdir():
            if folder.is_dir():
                for path in folder.iterdir():
                    if path.suffix in (".bin", _PART):
                        try:
                            status = path.stat()
                        except FileNotFoundError:
                            continue
                        found.append((status.st_mtime_ns, path, status.st_size))
        total = sum(length for _, _, length in found)
        for _, path, length in sorted(found):
            if total + size <= self.bound:
                break
            if path.suffix == ".bin" or self._is_abandoned(path):
                with contextlib.suppress(FileNotFoundError):  # a part may just have become a chunk, which counts
                    path.unlink()
                    total -= length
        return total + size <= self.bound

    def _is_abandoned(self, part: Path) -> bool:
        """Tell whether whoever fetched a part is gone."""
        try:
            with self._lock(part.with_suffix("")).acquire(timeout=0):
                return True
        except Timeout:
            return False

    @staticmethod
    def _lock(path: Path) -> FileLock:
        return FileLock(path.with_name(f".{path.name}.lock"))


def _opened(path: Path) -> IO[bytes]:
    """Open a chunk and note that it was used."""
    file = path.open("rb", buffering=0)
    os.utime(file.fileno())
    return file
