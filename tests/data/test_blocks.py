"""Batches of loader processes: the same values as without, in memory that is used again only when nobody reads it."""

from __future__ import annotations

import gc
import os

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from src.data import blocks
from src.data.augmentation import Augmentation
from src.data.dataset import BatchDataset
from src.data.medium import Files
from src.data.sampler import TrainBatches
from src.data.seen import Augmented
from src.data.sources.shapes import Shapes
from src.data.worker import prepare_worker

PLAIN = {
    "crop_scale": (0.5, 1.0), "crop_ratio": (0.75, 4 / 3), "horizontal_flip": 0.5, "vertical_flip": 0.0,
    "transforms": {}, "mixup": 0.0, "cutmix": 0.0, "lost_object": "refuse", "min_box_share": 0.3,
}  # fmt: skip
SIZE = 24


def loader(workers: int, places: int, batch_size: int = 8) -> DataLoader:
    source = Shapes(size=32, train=80, val=1, test=1, identities=7, max_objects=3, nothing=0.2, seed=0)
    transform = Augmented(Augmentation(**PLAIN), SIZE, 1.0, 0)
    dataset = BatchDataset(Files(source), np.arange(80), transform, source.targets)
    if places:
        dataset.places = blocks.pool(workers, places, batch_size * SIZE * SIZE * 3)
    return DataLoader(
        dataset,
        sampler=TrainBatches(80, batch_size, 0),
        batch_size=None,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=prepare_worker,
    )


def require_same(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        for mine, theirs in zip(*((v if isinstance(v, list) else [v]) for v in (value, other[key])), strict=True):
            assert type(mine) is type(theirs)
            if isinstance(mine, torch.Tensor):
                assert mine.dtype == theirs.dtype
                assert torch.equal(mine, theirs), key
            else:
                assert mine == theirs


@pytest.mark.parametrize(("workers", "places"), [(0, 5), (0, 1), (1, 0), (1, 5), (2, 5), (2, 1)])
def test_batches_of_loader_processes_are_those_of_this_one(workers, places):
    """All of them are kept: where no place is free, a batch has memory of its own."""
    kept = list(loader(workers, places))
    assert len(kept) == 10
    for one, other in zip(kept, loader(0, 0), strict=True):
        require_same(one, other)
        assert one["image"].shape == (8, 3, SIZE, SIZE)
        assert one["image"].is_contiguous(memory_format=torch.channels_last)


def test_a_view_of_a_batch_keeps_its_memory():
    expected = [batch["image"][3, 1].clone() for batch in loader(0, 0)]
    batches = loader(1, 4)
    views = [batch["image"][3, 1] for batch in batches]
    arrays = [batch["image"].numpy()[2] for batch in batches]  # another epoch, the same batches
    gc.collect()
    assert all(torch.equal(view, other) for view, other in zip(views, expected, strict=True))
    other = [batch["image"].numpy()[2].copy() for batch in loader(0, 0)]
    assert all((array == mine).all() for array, mine in zip(arrays, other, strict=True))


@pytest.mark.parametrize("workers", [0, 1])
def test_places_are_used_again_when_the_training_has_let_go(workers):
    batches = loader(workers, 6)
    pool = batches.dataset.places
    addresses = set()
    for _ in range(3):
        for batch in batches:
            addresses.add(batch["image"].data_ptr())
            del batch
    assert len(addresses) <= 6
    assert sum(pool._taken[:]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_tensor_that_ends_in_a_fork_stays_taken_here():
    """A loader that starts later is a fork with all tensors that there are, and collects its garbage."""
    pool = blocks.pool(0, 1, 16)
    tensor = pool.take(0, (1, 4, 4, 1)).tensor()
    child = os.fork()
    if not child:
        del tensor
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    assert pool._taken[0] == 1
    del tensor
    assert pool._taken[0] == 0


def test_an_epoch_that_is_left_early_leaves_no_place_taken():
    batches = loader(1, 6)
    for _ in range(5):
        for batch in batches:
            assert batch["number"] == 0
            break
    batch = None
    assert len(list(batches)) == 10
    assert sum(batches.dataset.places._taken[:]) == 0


def test_a_batch_larger_than_a_place_has_memory_of_its_own():
    batches = loader(1, 4, batch_size=16)
    batches.dataset.places = blocks.pool(1, 4, 8 * SIZE * SIZE * 3)
    for one, other in zip(batches, loader(0, 0, batch_size=16), strict=True):
        require_same(one, other)
