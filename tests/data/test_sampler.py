"""Batches are a function of (seed, epoch), for any number of processes and from any starting point."""

import numpy as np
import pytest

from src.data.sampler import EvalBatches, TrainBatches


def epochs(sampler, count):
    for epoch in range(count):
        sampler.set_epoch(epoch)
        yield [batch.positions.tolist() for batch in sampler]


def test_an_epoch_holds_every_sample_once_except_an_incomplete_batch():
    seen = [i for batch in next(epochs(TrainBatches(103, 10, seed=1), 1)) for i in batch]
    assert len(seen) == 100
    assert len(set(seen)) == 100
    assert set(seen) < set(range(103))


def test_epochs_differ_and_repeat_with_their_seed():
    first, second = epochs(TrainBatches(100, 10, seed=1), 2)
    assert first != second
    assert [first, second] == list(epochs(TrainBatches(100, 10, seed=1), 2))
    assert [first, second] != list(epochs(TrainBatches(100, 10, seed=2), 2))


@pytest.mark.parametrize(("epoch", "batch"), [(0, 0), (0, 7), (3, 1), (5, 9)])
def test_seek_continues_exactly_where_a_run_stopped(epoch, batch):
    whole = list(epochs(TrainBatches(100, 10, seed=4), 7))
    sampler = TrainBatches(100, 10, seed=4)
    sampler.seek(epoch, batch)
    iterator = iter(sampler)  # Lightning asks for it before it sets the epoch
    sampler.set_epoch(epoch)
    rest = [b.positions.tolist() for b in iterator]
    assert rest == whole[epoch][batch:]
    sampler.set_epoch(epoch + 1)
    assert [b.positions.tolist() for b in sampler] == whole[epoch + 1]


def test_two_processes_see_together_what_one_sees_with_twice_the_batch():
    one = next(epochs(TrainBatches(96, 8, seed=3), 1))
    halves = [next(epochs(TrainBatches(96, 4, seed=3, rank=rank, num_replicas=2), 1)) for rank in range(2)]
    assert [left + right for left, right in zip(*halves, strict=True)] == one


def test_a_set_smaller_than_a_batch_is_one_batch():
    assert [len(batch) for batch in next(epochs(TrainBatches(5, 8, seed=0), 1))] == [5]


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_evaluation_counts_every_sample_exactly_once(replicas):
    parts = [EvalBatches(101, 16, rank=rank, num_replicas=replicas) for rank in range(replicas)]
    seen = np.concatenate([batch.positions for part in parts for batch in part])
    assert sorted(seen.tolist()) == list(range(101))
    assert [len(part) for part in parts] == [len(list(part)) for part in parts]
