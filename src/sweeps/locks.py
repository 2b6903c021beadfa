"""Locks that the system lets go of however their holders end.

`flock` belongs to an open file, which child processes share. The lock of a job on this machine, taken by the sweep, is
the job's standard input, which every process that it starts inherits. So it is held from before the job starts until
the last of its processes has ended, whatever becomes of the sweep or of the job's first process. On a cluster the job's
first process alone holds it: of what that leaves behind the scheduler makes an end.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import platform
import time
from pathlib import Path

from src.errors import UserError

JOB = ".job.lock"
"""The file in a job's directory that is locked while a process of the job lives."""

LOOK = 1.0
"""Seconds for which a lock is asked for again: those who only look at it have it for a moment."""


def hold(path: Path) -> int | None:
    """Take a lock and return its file descriptor, to be closed and never unlocked; None where others hold it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    patience = time.monotonic() + LOOK
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > patience:
                os.close(descriptor)
                return None
            time.sleep(LOOK / 20)
        else:
            return descriptor


def is_held(path: Path) -> bool:
    """Return whether some process holds the lock; others who look at the same time do not count."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def has_open(path: Path) -> bool:
    """Return whether this process has the file of a lock open: one that it took or inherited."""
    try:
        wanted = path.stat()
    except FileNotFoundError:
        return False
    for opened in Path("/dev/fd").iterdir():
        with contextlib.suppress(OSError):  # the listing's own, closed by now
            if os.path.samestat(os.fstat(int(opened.name)), wanted):
                return True
    return False


def hold_sweep(folder: Path) -> int:
    """Take the lock of a whole sweep and leave in it who has it. Raises UserError where somebody else does."""
    path = folder / ".lock"
    descriptor = hold(path)
    if descriptor is None:
        who = path.read_text().strip()
        raise UserError(f"{folder}: this sweep is running already{f' ({who})' if who else ''}; it goes on there")
    leave_word(descriptor, f"{_user()} on {platform.node()}, process {os.getpid()}")
    return descriptor


def leave_word(descriptor: int, text: str) -> None:
    """Write who holds a lock into its file."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{text}\n".encode(), 0)


def holder(path: Path) -> int | None:
    """Return the process that was left word of, if it holds the lock on this machine; None where it is not here."""
    try:
        pid = int(path.read_text())
        here = any(Path(link).resolve() == path.resolve() for link in Path(f"/proc/{pid}/fd").iterdir())
    except (OSError, ValueError):
        return None
    return pid if here else None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return f"user {os.getuid()}"
