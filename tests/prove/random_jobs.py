"""A thousand random jobs: each ends with an answer or a message, and its figures are those of scikit-learn."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.job import Job, job
from tests.prove.promise import Promise

JOBS = int(os.environ.get("RANDOM_JOBS", "1000"))
FIRST = int(os.environ.get("RANDOM_JOBS_FROM", "100"))
"""Seeds below are those of the tests."""


ENOUGH = 0.6
"""Share of the trainings that must end with 0: messages alone would try little."""


def promises() -> Iterator[Promise]:
    seeds = range(FIRST, FIRST + JOBS)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = dict(zip(seeds, pool.map(_job, seeds), strict=True))
    wrong = {seed: each.faults for seed, each in done.items() if each.faults}
    for seed, faults in wrong.items():
        print(f"--- seed {seed}", *faults, sep="\n", flush=True)
    text = f"{JOBS} random jobs with a traceback or another figure than scikit-learn's"
    yield Promise(text, str(len(wrong)), "0", not wrong)
    codes = Counter(each.codes[0] for each in done.values())
    counted = ", ".join(f"{number} with {code}" for code, number in codes.most_common())
    yield Promise("trainings of theirs by exit code", counted, f"{ENOUGH:.0%} with 0", codes[0] >= ENOUGH * JOBS)


def _job(seed: int) -> Job:
    with tempfile.TemporaryDirectory() as folder:
        return job(seed, Path(folder))
