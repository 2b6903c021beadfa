"""Which samples make up which batch, as a function of (seed, epoch) alone, so that a run can continue anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from src import seeds


@dataclass(frozen=True)
class Batch:
    """The samples of one batch: positions in their split, and the epoch that their augmentation depends on."""

    epoch: int
    number: int
    positions: NDArray[np.int64]


class TrainBatches(Sampler[Batch]):
    """Batches of one process out of a permutation of the training set that every process computes alike.

    A global batch of `batch_size * num_replicas` consecutive samples is cut into one part per process, so that N
    processes with a batch of B see together what one process with N * B sees. The last, incomplete global batch of an
    epoch is left out (another permutation leaves out others), unless it would be the only one.

    `__iter__` is not a generator: Lightning asks for the iterator before it sets the epoch of a fresh run, and a
    resumed run must start at the epoch and batch of its checkpoint (`seek`).
    """

    def __init__(self, size: int, batch_size: int, seed: int, *, rank: int = 0, num_replicas: int = 1) -> None:
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.rank, self.num_replicas = rank, num_replicas
        self.epoch = 0
        self.start = 0

    def __len__(self) -> int:
        return max(1, self.size // (self.batch_size * self.num_replicas))

    def set_epoch(self, epoch: int) -> None:
        """Begin `epoch` at its first batch, unless that is the epoch which `seek` went to. Lightning calls this."""
        if epoch != self.epoch:
            self.epoch, self.start = epoch, 0

    def seek(self, epoch: int, batch: int) -> None:
        """Continue at batch `batch` of `epoch`."""
        self.epoch, self.start = epoch, batch

    def __iter__(self) -> Iterator[Batch]:
        order = seeds.generator(self.seed, "shuffle", self.epoch).permutation(self.size)
        whole = self.batch_size * self.num_replicas
        return iter(
            [
                Batch(
                    self.epoch,
                    number,
                    np.array_split(order[number * whole : (number + 1) * whole], self.num_replicas)[self.rank],
                )
                for number in range(self.start, len(self))
            ]
        )


class EvalBatches(Sampler[Batch]):
    """Every sample exactly once over all processes, in order; no sample is repeated to fill a batch."""

    def __init__(self, size: int, batch_size: int, *, rank: int = 0, num_replicas: int = 1) -> None:
        self.positions = np.arange(rank, size, num_replicas)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.positions) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return iter(
            [
                Batch(0, number, self.positions[number * self.batch_size : (number + 1) * self.batch_size])
                for number in range(len(self))
            ]
        )
