"""How many processor cores this process may use, and how many threads it computes with where nobody says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def cores() -> int:
    """Return the cores that a scheduler, `taskset` or a container left to this process; all where nothing can be read.

    A container's limit is time (the CPU quota of cgroups): 1.5 cores of it keep one thread busy, and a second waiting.
    """
    known = hasattr(os, "sched_getaffinity")  # not on macOS
    there = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
    return max(1, int(min([there, *_quotas()])))


def automatic_threads(processes: int = 1) -> tuple[int, str]:
    """Return the threads of `threads=auto`, and where the number is from, in words.

    OMP_NUM_THREADS, where it is exported, is what its owner wants of every process. Else `processes` that compute
    beside each other on these cores share them.
    """
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if told.isdigit() and int(told) > 0:
        return int(told), "OMP_NUM_THREADS"
    found = cores()
    shared = f", shared by {processes} processes" if processes > 1 else ""
    return max(1, found // processes), f"{found} core{'s' * (found > 1)} of this process{shared}"


def _quotas() -> Iterator[float]:
    """Yield the cores that the process's cgroups, and those around them, have the time of (cgroups v2 and v1)."""
    try:
        lines = OWN_CGROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, own = rest.partition(":")
        if number == "0" and not controllers:
            for folder in _upwards(CGROUPS, own):
                quota, _, period = _text(folder / "cpu.max").partition(" ")
                yield from _cores_of(quota, period)
        elif "cpu" in controllers.split(","):
            for folder in _upwards(CGROUPS / "cpu", own):
                yield from _cores_of(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))


def _upwards(root: Path, own: str) -> Iterator[Path]:
    """Yield the folder of a cgroup and all around it; in a container its own is the root, whatever its name says."""
    folder = root / own.lstrip("/")
    while folder != root and folder.is_relative_to(root):
        yield folder
        folder = folder.parent
    yield root


def _cores_of(quota: str, period: str) -> Iterator[float]:
    if quota.isdigit() and period.isdigit() and int(quota) > 0 and int(period) > 0:  # neither max nor -1: no limit
        yield int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
