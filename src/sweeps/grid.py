"""Every combination of the swept values, in the order typed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from src.sweeps.job import Job, State
from src.sweeps.space import Dimension


def combinations(dimensions: Sequence[Dimension]) -> Iterator[dict[str, str]]:
    """Yield the values of each point by key; the last key's change fastest."""
    keys = [dimension.key for dimension in dimensions]
    for values in itertools.product(*(dimension.grid() for dimension in dimensions)):
        yield dict(zip(keys, values, strict=True))


class Grid:
    """The jobs of a grid, all known from the start."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = list(jobs)
        self._next = iter(self._jobs)

    def next(self) -> Job | None:
        """Return the next job."""
        return next(self._next, None)

    def ended(self, job: Job, state: State) -> None:
        """Nothing depends on how a job ended."""

    def alive(self, jobs: Sequence[Job]) -> None:
        """Nobody else waits for them."""

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self._jobs)

    @property
    def waits(self) -> bool:
        """Nothing is added to a grid."""
        return False
