"""A thousand random jobs: each ends with an answer or a message, and its figures are those of scikit-learn."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.job import faults
from tests.prove.promise import Promise

JOBS = int(os.environ.get("RANDOM_JOBS", "1000"))
FIRST = int(os.environ.get("RANDOM_JOBS_FROM", "100"))
"""Seeds below are those of the tests."""


def promises() -> Iterator[Promise]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(_faults, range(FIRST, FIRST + JOBS)))
    wrong = [(seed, each) for seed, each in zip(range(FIRST, FIRST + JOBS), found, strict=True) if each]
    for seed, each in wrong:
        print(f"--- seed {seed}", *each, sep="\n", flush=True)
    yield Promise(
        f"{JOBS} random jobs with a traceback or another figure than scikit-learn's", str(len(wrong)), "0", not wrong
    )


def _faults(seed: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        return faults(seed, Path(folder))
