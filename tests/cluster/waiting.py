"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 180


def wait_until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, f"{what}: not within {SECONDS} seconds"
        time.sleep(0.1)


def wait_for(path: Path) -> None:
    wait_until(path.exists, str(path))
