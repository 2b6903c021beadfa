"""Memory for whole batches, on its way from a loader process to the training without a copy.

A tensor that a loader process hands over is copied into shared memory of its own, which has to be asked for, cleared
page by page, sent as a file descriptor with a handshake, and mapped page by page on the other side: for 128 images of
128 px that takes as long as cutting them out. Here images are written into memory that both processes have from the
beginning, and that is used again when the training has let go of the batch; small targets cross as plain bytes.
"""

from __future__ import annotations

import itertools
import mmap
import multiprocessing
import os
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import get_worker_info

_SMALL = 1 << 16  # bytes: what a pipe takes at once

_keys = itertools.count()
_pools: weakref.WeakValueDictionary[int, Pool] = weakref.WeakValueDictionary()


class Pool:
    """Places for batches of at most `size` bytes, `each` for every loader process, or for the training's own.

    A loader process takes a place; it is free again when the last tensor on it in the training process is gone. Where a
    batch is kept for long and no place is free, `take` returns None, and the batch crosses as any tensor does: never is
    memory written that somebody may still read. Only processes made by fork have the same memory.
    """

    def __init__(self, workers: int, each: int, size: int) -> None:
        self.each, self.size = each, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        self._memory = mmap.mmap(-1, workers * each * self.size)
        self._taken = mmap.mmap(-1, workers * each)  # a byte for each place: a loader sets it, the training clears it
        self._key = next(_keys)
        _pools[self._key] = self

    def take(self, worker: int, shape: tuple[int, ...]) -> Place | None:
        """Return a free place of a loader process, as uint8 memory of a shape; None where there is none."""
        if int(np.prod(shape)) > self.size:
            return None
        for number in range(worker * self.each, (worker + 1) * self.each):
            if not self._taken[number]:
                self._taken[number] = 1
                return Place(self._key, number, self._array(number, shape))
        return None

    def received(self, number: int, shape: tuple[int, ...]) -> Tensor:
        """Return a place as a tensor, whose end frees it."""
        array = self._array(number, shape)
        # The tensor's storage, and so every view of it, keeps this very array.
        weakref.finalize(array, _free, self._taken, number, os.getpid()).atexit = False
        return torch.from_numpy(array)

    def _array(self, number: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        start = number * self.size
        count = int(np.prod(shape))
        return np.frombuffer(self._memory, np.uint8, count, start).reshape(shape)


def _free(taken: mmap.mmap, number: int, owner: int) -> None:
    if os.getpid() == owner:  # a fork has a copy of the tensor: its end is not the end of the owner's
        taken[number] = 0


class Place:
    """Memory in a loader process that becomes a tensor in the training process, images (B, H, W, C) as (B, C, H, W)."""

    def __init__(self, pool: int, number: int, array: NDArray[np.uint8]) -> None:
        self.pool, self.number, self.array = pool, number, array

    def __reduce__(self) -> tuple[Callable[..., Tensor], tuple[Any, ...]]:
        """Cross as a number; the other side has the memory."""
        return _received, (self.pool, self.number, self.array.shape)

    def tensor(self) -> Tensor:
        """Return the tensor where both processes are the same."""
        return _received(self.pool, self.number, self.array.shape)


def _received(pool: int, number: int, shape: tuple[int, ...]) -> Tensor:
    return channels_first(_pools[pool].received(number, shape))


class _Bytes:
    """A small array that becomes a tensor in the training process."""

    def __init__(self, array: NDArray[np.generic]) -> None:
        self.array = array

    def __reduce__(self) -> tuple[Callable[..., Tensor], tuple[Any, ...]]:
        return torch.from_numpy, (self.array,)


def pool(workers: int, each: int, size: int) -> Pool | None:
    """Return a pool for so many loader processes, or for this one; None where they would not share its memory."""
    method = multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]
    return Pool(max(1, workers), each, size) if not workers or method == "fork" else None


def images(shape: tuple[int, int, int, int], places: Pool | None) -> tuple[NDArray[np.uint8], Tensor | Place]:
    """Return memory (B, H, W, C) to write images to, and what to put into the batch for it: (B, C, H, W) in the end."""
    worker = get_worker_info()
    place = None if places is None else places.take(0 if worker is None else worker.id, shape)
    if place is not None:
        return place.array, place if worker is not None else place.tensor()
    if worker is None:
        memory = torch.empty(shape, dtype=torch.uint8)
        return memory.numpy(), channels_first(memory)
    storage = torch.UntypedStorage._new_shared(int(np.prod(shape)))  # type: ignore[no-untyped-call]
    memory = torch.empty(0, dtype=torch.uint8).set_(storage).view(shape)  # type: ignore[call-overload]
    return memory.numpy(), channels_first(memory)


def channels_first(images: Tensor) -> Tensor:
    """Return images (B, H, W, C) as (B, C, H, W), the same memory."""
    return images.permute(0, 3, 1, 2)


def tensors(arrays: Sequence[NDArray[np.generic]]) -> list[Any]:
    """Return what to put into a batch for arrays: tensors in the end."""
    if get_worker_info() is None or sum(array.nbytes for array in arrays) > _SMALL:
        return [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    return [_Bytes(array) for array in arrays]
