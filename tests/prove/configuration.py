"""Mistakes, help and `--cfg job` answer within a second."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.startup import answers
from tests.prove.promise import Promise

BOUND = 1.0


def promises() -> Iterator[Promise]:
    for timing in answers():
        expected = 0 if timing.name.startswith("--") else 2
        kept = timing.median <= BOUND and timing.codes == {expected}
        figure = f"{timing.median:.2f} s, exit code {sorted(timing.codes)}"
        yield Promise(f"answers: {timing.name}", figure, f"<= {BOUND} s, {expected}", kept)
