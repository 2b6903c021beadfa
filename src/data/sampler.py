"""Which samples make up which batch, as a function of (seed, epoch) alone, so that a run can continue anywhere."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from src import seeds
from src.errors import UserError


@dataclass(frozen=True)
class Batch:
    """The samples of one batch: positions in their split, and the epoch that their augmentation depends on."""

    epoch: int
    number: int
    positions: NDArray[np.int64]


@dataclass(frozen=True)
class Identities:
    """Training batches of identities with so many images each."""

    images_per_identity: int


@dataclass(frozen=True)
class Triplets:
    """Training batches of given triplets: anchor, positive, negative, anchor, ..."""


class TrainingBatches(Sampler[Batch]):
    """What all training batches share: a process's part of global batches that every process computes alike.

    A global batch is cut into one part per process, so that N processes with a batch of B see together, and in the same
    order, what one process with N * B sees.

    `__iter__` is not a generator: Lightning asks for the iterator before it sets the epoch of a fresh run, and a
    resumed run must start at the epoch and batch of its checkpoint (`seek`).
    """

    def __init__(self, seed: int, *, rank: int = 0, num_replicas: int = 1) -> None:
        self.seed, self.rank, self.num_replicas = seed, rank, num_replicas
        self.epoch = 0
        self.start = 0

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def global_batches(self, epoch: int) -> Sequence[NDArray[np.int64]]:
        """Return the batches of all processes together: rows are what a process gets or not, -1 is no sample."""

    def set_epoch(self, epoch: int) -> None:
        """Begin `epoch` at its first batch, unless that is the epoch which `seek` went to. Lightning calls this."""
        if epoch != self.epoch:
            self.epoch, self.start = epoch, 0

    def seek(self, epoch: int, batch: int) -> None:
        """Continue at batch `batch` of `epoch`."""
        self.epoch, self.start = epoch, batch

    def __iter__(self) -> Iterator[Batch]:
        wholes = self.global_batches(self.epoch)
        return iter([Batch(self.epoch, n, self._part(wholes[n])) for n in range(self.start, len(self))])

    def _part(self, whole: NDArray[np.int64]) -> NDArray[np.int64]:
        positions = np.array_split(whole, self.num_replicas)[self.rank].ravel()
        return positions[positions >= 0]


class TrainBatches(TrainingBatches):
    """Batches out of a permutation of the training set.

    The last, incomplete global batch of an epoch is left out (another permutation leaves out others), unless it would
    be the only one.
    """

    def __init__(self, size: int, batch_size: int, seed: int, *, rank: int = 0, num_replicas: int = 1) -> None:
        super().__init__(seed, rank=rank, num_replicas=num_replicas)
        self.size, self.whole = size, batch_size * num_replicas

    def __len__(self) -> int:
        return max(1, self.size // self.whole)

    def global_batches(self, epoch: int) -> Sequence[NDArray[np.int64]]:
        """Return consecutive parts of the permutation."""
        order = self.order(seeds.generator(self.seed, "shuffle", epoch))
        return [order[n * self.whole : (n + 1) * self.whole] for n in range(len(self))]

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Return the positions in an order drawn for an epoch."""
        return random.permutation(self.size)


class WindowBatches(TrainBatches):
    """Batches out of a permutation that needs few neighbourhoods at a time, for data that lie far away.

    Positions in the order of their `places` are cut into blocks of a sixteenth of the window. The order of the blocks
    is drawn, and then, within each window of sixteen of them, that of the samples. Two samples of a window are as far
    apart as in a whole permutation; those of a block meet in the same window in every epoch. A window as long as the
    set is a whole permutation.
    """

    BLOCKS = 16

    def __init__(
        self,
        places: NDArray[np.int64],
        window: int,
        batch_size: int,
        seed: int,
        *,
        rank: int = 0,
        num_replicas: int = 1,
    ) -> None:
        super().__init__(len(places), batch_size, seed, rank=rank, num_replicas=num_replicas)
        self.window = window
        self.laid_out = np.argsort(places, kind="stable")

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Return the positions, blocks drawn first and then the samples of each window."""
        block = max(1, self.window // self.BLOCKS)
        blocks = np.split(self.laid_out, range(block, self.size, block))
        drawn = np.concatenate([blocks[number] for number in random.permutation(len(blocks))])
        windows = np.split(drawn, range(self.window, self.size, self.window))
        return np.concatenate([random.permutation(window) for window in windows])


class TripletBatches(TrainBatches):
    """Batches of given triplets (T, 3) of positions; `batch_size` counts images, three for each."""

    def __init__(
        self, triplets: NDArray[np.int64], batch_size: int, seed: int, *, rank: int = 0, num_replicas: int = 1
    ) -> None:
        super().__init__(len(triplets), batch_size // 3, seed, rank=rank, num_replicas=num_replicas)
        self.triplets = triplets

    def global_batches(self, epoch: int) -> Sequence[NDArray[np.int64]]:
        """Return triplets (n, 3) in the order of the permutation."""
        return [self.triplets[numbers] for numbers in super().global_batches(epoch)]


class IdentityBatches(TrainingBatches):
    """Batches of P identities with K images each, P * K the size of a batch (Hermans et al. 2017).

    An epoch goes in rounds. In each, every identity that has K images left gives K of them; identities and their images
    are shuffled, and P at a time make a batch. What is left of a round, fewer than P, is left out: another epoch leaves
    out others. Where there are fewer than P identities at all, each round is one batch of them. No image comes twice in
    an epoch, so an identity of fewer than K images gives those that it has, in the first round alone; one of a single
    image could be no anchor and is left out.

    `identities` (N,) has one entry for every sample of the split, below zero where nobody is known.
    """

    def __init__(
        self,
        identities: NDArray[np.int64],
        batch_size: int,
        images_per_identity: int,
        seed: int,
        *,
        rank: int = 0,
        num_replicas: int = 1,
    ) -> None:
        super().__init__(seed, rank=rank, num_replicas=num_replicas)
        self.images = images_per_identity
        order = np.argsort(identities, kind="stable")[(identities < 0).sum() :]
        starts = np.unique(identities[order], return_index=True)[1]
        members = np.split(order, starts[1:])
        self.members = [images for images in members if len(images) > 1]
        self.alone = len(members) - len(self.members)
        """Identities with a single image, which are left out."""
        per_batch = batch_size // images_per_identity * num_replicas
        self.whole = min(per_batch, len(self.members))
        if self.whole < num_replicas:
            raise UserError(
                f"trainer.devices: {num_replicas} processes share batches of {self.whole} identities, and each "
                f"needs one; type trainer.devices={max(1, self.whole)} or less"
            )
        self.groups = np.array([max(1, len(images) // self.images) for images in self.members], np.int64)

    def __len__(self) -> int:
        return sum(int((self.groups > n).sum()) // self.whole for n in range(self.groups.max()))

    def global_batches(self, epoch: int) -> Sequence[NDArray[np.int64]]:
        """Return rows of K positions, a row for each identity of the batch; -1 where it has fewer."""
        random = seeds.generator(self.seed, "shuffle", epoch)
        shuffled = [random.permutation(images) for images in self.members]
        batches = []
        for number in range(self.groups.max()):
            present = random.permutation(np.flatnonzero(self.groups > number))
            rows = np.full((len(present), self.images), -1, np.int64)
            for row, identity in zip(rows, present, strict=True):
                images = shuffled[identity][number * self.images : (number + 1) * self.images]
                row[: len(images)] = images
            last = len(present) // self.whole * self.whole
            batches += [rows[start : start + self.whole] for start in range(0, last, self.whole)]
        return batches


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
