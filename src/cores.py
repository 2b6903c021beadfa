"""How many processor cores this process may use."""

from __future__ import annotations

import os


def cores() -> int:
    """Return the cores that a scheduler or `taskset` left to this process; all of them where a system cannot say."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
