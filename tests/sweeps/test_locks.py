"""Who looks at a lock is in nobody's way."""

from __future__ import annotations

import fcntl
import os
import threading

from src.sweeps import locks


def test_a_lock_that_somebody_looks_at_is_taken_a_moment_later(tmp_path):
    looking = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(looking, fcntl.LOCK_SH)
    threading.Timer(0.1, os.close, [looking]).start()
    taken = locks.hold(tmp_path / "lock")
    assert taken is not None
    os.close(taken)


def test_who_looks_does_not_take_another_who_looks_for_a_holder(tmp_path):
    looking = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(looking, fcntl.LOCK_SH)
    assert not locks.is_held(tmp_path / "lock")
    os.close(looking)
    taken = locks.hold(tmp_path / "lock")
    assert locks.is_held(tmp_path / "lock")
    os.close(taken)
    assert not locks.is_held(tmp_path / "lock")


def test_looking_leaves_nothing_behind(tmp_path):
    assert not locks.is_held(tmp_path / "lock")
    assert not list(tmp_path.iterdir())
