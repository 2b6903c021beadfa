"""Batches are a function of (seed, epoch), for any number of processes and from any starting point."""

import numpy as np
import pytest

from src.data.places import places
from src.data.sampler import EvalBatches, TrainBatches, WindowBatches


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


def test_a_window_holds_sixteen_blocks_of_neighbours_and_an_epoch_every_sample():
    where = places(640)
    order = np.concatenate(next(epochs(WindowBatches(where, 64, 16, seed=1), 1)))
    assert sorted(order.tolist()) == list(range(640))
    block_of = where // 4  # a sixteenth of the window
    for window in np.split(order, 10):
        assert sorted(block_of[window].tolist()) == sorted(np.repeat(np.unique(block_of[window]), 4).tolist())
    first, second = (np.concatenate(epoch) for epoch in epochs(WindowBatches(where, 64, 16, seed=1), 2))
    assert set(first[:64].tolist()) != set(second[:64].tolist())  # blocks meet others


def test_a_window_of_a_folder_sorted_by_class_has_all_classes():
    labels = np.repeat(np.arange(10), 1000)
    order = np.concatenate(next(epochs(WindowBatches(places(10_000), 1024, 64, seed=0), 1)))
    counts = [np.bincount(labels[window], minlength=10) for window in np.split(order[:9216], 9)]
    # Ten classes of 102.4: three standard deviations of a multinomial draw are 29.
    assert np.abs(np.array(counts) - 102.4).max() < 4 * 9.6


def test_a_window_seeks_and_divides_as_a_whole_permutation_does():
    where = places(96)
    whole = next(epochs(WindowBatches(where, 32, 8, seed=3), 1))
    halves = [next(epochs(WindowBatches(where, 32, 4, seed=3, rank=rank, num_replicas=2), 1)) for rank in range(2)]
    assert [left + right for left, right in zip(*halves, strict=True)] == whole
    sampler = WindowBatches(where, 32, 8, seed=3)
    sampler.seek(0, 5)
    assert [batch.positions.tolist() for batch in sampler] == whole[5:]


def test_places_of_a_part_keep_their_order():
    where = places(100)
    part = np.arange(0, 100, 3)
    laid_out = np.argsort(where)
    assert part[np.argsort(where[part])].tolist() == [index for index in laid_out.tolist() if index % 3 == 0]
