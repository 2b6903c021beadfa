"""Batches of identities and of triplets: a function of (seed, epoch), for any number of processes and any start."""

from __future__ import annotations

import numpy as np
import pytest

from src.data.sampler import IdentityBatches, TripletBatches

MANY = np.repeat(np.arange(11), [7, 4, 9, 1, 5, 4, 8, 2, 3, 6, 12])  # identity 3 has one image, 7 and 8 less than four


def epochs(sampler, count):
    for epoch in range(count):
        sampler.set_epoch(epoch)
        yield [batch.positions.tolist() for batch in sampler]


def composition(positions, identities=MANY):
    """Return identity: images of a batch."""
    return dict(zip(*np.unique(identities[positions], return_counts=True), strict=True))


def test_a_batch_holds_p_identities_with_k_images_each():
    batches = next(epochs(IdentityBatches(np.arange(60) // 6, 12, 3, seed=0), 1))
    for batch in batches:
        assert list(composition(batch, np.arange(60) // 6).values()) == [3] * 4
    assert len(batches) == 4  # ten identities, two rounds of three images each: two batches of four identities a round


def test_no_image_comes_twice_in_an_epoch_and_every_image_comes_in_time():
    seen = set()
    for batches in epochs(IdentityBatches(MANY, 16, 4, seed=1), 30):
        positions = [position for batch in batches for position in batch]
        assert len(positions) == len(set(positions))
        seen |= set(positions)
    assert seen == set(np.flatnonzero(MANY != 3))


def test_an_identity_of_few_images_gives_what_it_has_and_one_of_a_single_image_is_left_out():
    sampler = IdentityBatches(MANY, 40, 4, seed=2)
    assert sampler.alone == 1
    first = composition(next(epochs(sampler, 1))[0])
    assert first == {0: 4, 1: 4, 2: 4, 4: 4, 5: 4, 6: 4, 7: 2, 8: 3, 9: 4, 10: 4}


def test_nobody_is_nobody():
    sampler = IdentityBatches(np.array([0, 0, -1, -1, 1, 1, -1]), 4, 2, seed=0)
    assert sorted(next(epochs(sampler, 1))[0]) == [0, 1, 4, 5]


def test_fewer_identities_than_a_batch_asks_for_are_one_batch_a_round():
    batches = next(epochs(IdentityBatches(np.arange(12) // 4, 64, 2, seed=3), 1))
    assert [sorted(composition(batch, np.arange(12) // 4).items()) for batch in batches] == [
        [(0, 2), (1, 2), (2, 2)]
    ] * 2


@pytest.mark.parametrize("make", ["identities", "triplets"])
@pytest.mark.parametrize(("epoch", "batch"), [(0, 0), (0, 2), (2, 1)])
def test_seek_continues_exactly_where_a_run_stopped(make, epoch, batch):
    def sampler():
        if make == "identities":
            return IdentityBatches(MANY, 8, 2, seed=4)
        return TripletBatches(np.arange(60).reshape(20, 3), 15, seed=4)

    whole = list(epochs(sampler(), 4))
    resumed = sampler()
    resumed.seek(epoch, batch)
    iterator = iter(resumed)  # Lightning asks for it before it sets the epoch
    resumed.set_epoch(epoch)
    assert [one.positions.tolist() for one in iterator] == whole[epoch][batch:]
    resumed.set_epoch(epoch + 1)
    assert [one.positions.tolist() for one in resumed] == whole[epoch + 1]
    assert whole[0] != whole[1]
    assert len(resumed) == len(whole[0])


def test_two_processes_see_together_what_one_sees_with_twice_the_batch():
    one = next(epochs(IdentityBatches(MANY, 16, 4, seed=5), 1))
    halves = [next(epochs(IdentityBatches(MANY, 8, 4, seed=5, rank=rank, num_replicas=2), 1)) for rank in range(2)]
    assert [left + right for left, right in zip(*halves, strict=True)] == one
    triplets = np.arange(72).reshape(24, 3)
    whole = next(epochs(TripletBatches(triplets, 12, seed=5), 1))
    parts = [next(epochs(TripletBatches(triplets, 6, seed=5, rank=rank, num_replicas=2), 1)) for rank in range(2)]
    assert [left + right for left, right in zip(*parts, strict=True)] == whole


def test_triplets_stay_together_and_come_once():
    triplets = np.random.default_rng(0).permutation(90).reshape(30, 3)
    batches = next(epochs(TripletBatches(triplets, 18, seed=6), 1))
    assert [len(batch) for batch in batches] == [18] * 5
    found = np.concatenate([np.reshape(batch, (-1, 3)) for batch in batches])
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, triplets.tolist()))
