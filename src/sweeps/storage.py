"""Where a study is kept: a journal in the sweep's directory, or whatever a URL names."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

from src.errors import UserError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "study.journal"


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """Return the storage at an optuna URL, or without one the journal in a sweep's directory.

    Raises UserError where the storage cannot be opened.
    """
    from optuna.storages import JournalStorage, get_storage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    if url is not None:
        try:
            return get_storage(url)
        except Exception as error:  # each kind of database has its own
            raise UserError(f"search.storage={url}: {str(error).splitlines()[0]}") from error
    path = folder / JOURNAL
    folder.mkdir(parents=True, exist_ok=True)

    class Lock(JournalFileOpenLock):
        """The system's own lock: optuna's is a file, which a killed process leaves behind for 30 seconds."""

        def acquire(self) -> bool:
            self._descriptor = os.open(path.with_name(f".{JOURNAL}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            return True

        def release(self) -> None:
            os.close(self._descriptor)

    lock = Lock(str(path))
    lock.acquire()
    try:
        _cut_half_line(path)
    finally:
        lock.release()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _cut_half_line(path: Path) -> None:
    """Remove what a killed process had begun to write: what comes behind it could not be read."""
    if path.exists():
        with path.open("rb+") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                file.truncate(whole)
