"""The triplet loss by hand, by loops over all triplets, and as pytorch-metric-learning has it."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional as F

from src.losses.triplet import distances, pair_masks, triplet_loss, triplet_sum

MARGIN = 0.3


def batch(seed: int, people: int = 5, images: int = 4, dim: int = 3, spread: float = 1.0):
    random = torch.Generator().manual_seed(seed)
    embeddings = F.normalize(torch.randn(people * images, dim, generator=random) * spread, dim=1)
    order = torch.randperm(people * images, generator=random)
    return embeddings.requires_grad_(), (torch.arange(people * images) // images)[order]


def measure(distance):
    def squared(a, b):
        return ((a - b) ** 2).sum()

    def cosine(a, b):
        return 1 - (a @ b) / (a.norm() * b.norm())

    return squared if distance == "squared_euclidean" else cosine


def all_triplets(embeddings, identities, distance):
    """Yield d(a, p) and d(a, n) of every valid triplet, by loops."""
    d = measure(distance)
    for a, p, n in itertools.product(range(len(identities)), repeat=3):
        if a != p and identities[a] == identities[p] and identities[a] != identities[n]:
            yield a, d(embeddings[a], embeddings[p]), d(embeddings[a], embeddings[n])


def brute_force(embeddings, identities, distance, mining):
    """Return (loss, active share) from the definitions."""
    found = list(all_triplets(embeddings, identities, distance))
    if mining == "hard":
        anchors = sorted({a for a, _, _ in found})
        losses = [
            F.relu(max(dp for b, dp, _ in found if b == a) - min(dn for b, _, dn in found if b == a) + MARGIN)
            for a in anchors
        ]
        return sum(losses) / len(losses), sum(float(loss) > 0 for loss in losses) / len(losses)
    losses = [dp - dn + MARGIN for _, dp, dn in found if dn < dp + MARGIN and (mining == "all" or dn > dp)]
    return sum(losses) / max(1, len(losses)), len(losses) / len(found)


@pytest.mark.parametrize("distance", ["squared_euclidean", "cosine"])
@pytest.mark.parametrize("mining", ["all", "hard", "semi_hard"])
@pytest.mark.parametrize("seed", range(3))
def test_each_miner_equals_loops_over_all_triplets_with_its_gradient(distance, mining, seed):
    embeddings, identities = batch(seed)
    expected, share = brute_force(embeddings, identities, distance, mining)
    (wanted,) = torch.autograd.grad(expected, embeddings)
    mined = triplet_loss(embeddings, identities, margin=MARGIN, distance=distance, mining=mining)
    (found,) = torch.autograd.grad(mined.loss, embeddings)
    assert float(mined.loss) == pytest.approx(float(expected), rel=1e-5)
    assert float(mined.active) == pytest.approx(share)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mining", ["all", "hard", "semi_hard"])
@pytest.mark.parametrize("seed", range(3))
def test_each_miner_equals_the_metric_learning_library(mining, seed):
    """Its squared distances of embeddings that are already of length one; mean over losses above zero, or over all."""
    pytest.importorskip("pytorch_metric_learning", reason="a development dependency: see requirements.lock")
    from pytorch_metric_learning import distances as theirs
    from pytorch_metric_learning import losses, miners, reducers

    embeddings, identities = batch(seed, people=6, images=5, dim=8)
    squared = theirs.LpDistance(normalize_embeddings=False, p=2, power=2)
    reducer = reducers.MeanReducer() if mining == "hard" else reducers.AvgNonZeroReducer()
    loss = losses.TripletMarginLoss(margin=MARGIN, distance=squared, reducer=reducer)
    miner = {
        "all": None,
        "hard": miners.BatchHardMiner(distance=squared),
        "semi_hard": miners.TripletMarginMiner(margin=MARGIN, distance=squared, type_of_triplets="semihard"),
    }[mining]
    expected = loss(embeddings, identities, miner(embeddings, identities) if miner else None)
    (wanted,) = torch.autograd.grad(expected, embeddings)
    found = triplet_loss(embeddings, identities, margin=MARGIN, distance="squared_euclidean", mining=mining).loss
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    torch.testing.assert_close(torch.autograd.grad(found, embeddings)[0], wanted, rtol=1e-4, atol=1e-6)


def test_curated_triplets_by_hand():
    """Distances 1 and 4, then 9 and 1: max(0, 1 - 4 + 0.5) = 0 and 9 - 1 + 0.5 = 8.5."""
    rows = torch.tensor([[0.0, 0], [1, 0], [0, 2], [0, 0], [3, 0], [0, 1]])
    found = triplet_loss(
        rows, torch.zeros(6), margin=0.5, distance="squared_euclidean", mining="curated"
    )  # fmt: skip
    assert float(found.loss) == pytest.approx(8.5 / 2)
    assert float(found.active) == 0.5


def test_all_and_semi_hard_by_hand():
    """On a line: anchor 0 with its positive at 1, strangers at 1.1 and 3. Squares 1, 1.21, 9; from 1: 1, 0.01, 4.

    Margin 0.5: of the anchor 0 only the stranger at 1.1 is near (1 - 1.21 + 0.5 = 0.29), and it is semi-hard; of the
    anchor 1 it is nearer than the positive (1 - 0.01 + 0.5 = 1.49). The strangers are alone with their identities.
    """
    rows = torch.tensor([[0.0], [1.0], [1.1], [3.0]])
    identities = torch.tensor([0, 0, 1, 2])
    every = triplet_loss(rows, identities, margin=0.5, distance="squared_euclidean", mining="all")
    assert float(every.loss) == pytest.approx((0.29 + 1.49) / 2, rel=1e-5)
    assert float(every.active) == 0.5
    semi = triplet_loss(rows, identities, margin=0.5, distance="squared_euclidean", mining="semi_hard")
    assert float(semi.loss) == pytest.approx(0.29, rel=1e-5)
    assert float(semi.active) == 0.25


@pytest.mark.parametrize("mining", ["all", "hard", "semi_hard"])
def test_a_batch_without_triplets_has_no_loss_and_no_gradient(mining):
    for identities in (torch.zeros(4), torch.arange(4)):
        embeddings = torch.rand(4, 2, requires_grad=True)
        loss = triplet_loss(embeddings, identities, margin=0.2, distance="squared_euclidean", mining=mining).loss
        loss.backward()
        assert float(loss) == 0
        assert torch.equal(embeddings.grad, torch.zeros(4, 2))


@pytest.mark.parametrize("mining", ["all", "hard"])
def test_collapsed_embeddings_lose_the_margin(mining):
    embeddings = torch.ones(6, 3)
    mined = triplet_loss(
        embeddings, torch.arange(6) // 2, margin=0.2, distance="squared_euclidean", mining=mining
    )  # fmt: skip
    assert float(mined.loss) == pytest.approx(0.2)
    assert float(mined.active) == 1


def test_the_sum_over_chunks_of_anchors_is_the_sum_over_all():
    embeddings, identities = batch(7, people=8, images=5)
    rows = distances(embeddings, embeddings, "squared_euclidean").detach()
    same, different = pair_masks(identities)
    whole = triplet_sum(rows, same, different, MARGIN)
    parts = [
        triplet_sum(rows[part], same[part], different[part], MARGIN) for part in (slice(0, 13), slice(13, 40))
    ]  # fmt: skip
    expected = sum(max(0.0, float(dp - dn) + MARGIN) for _, dp, dn in all_triplets(embeddings.detach(), identities, "squared_euclidean"))  # fmt: skip # noqa: E501
    assert float(whole[0]) == pytest.approx(expected, rel=1e-5)
    assert int(whole[2]) == 8 * 5 * 4 * 35
    for total, pieces in zip(whole, zip(*parts, strict=True), strict=True):
        assert float(total) == pytest.approx(float(sum(pieces)), rel=1e-6)


def test_distances_far_from_the_origin_keep_their_digits():
    embeddings = torch.rand(10, 4, dtype=torch.float64)
    found = distances((embeddings + 1000).float(), (embeddings + 1000).float(), "squared_euclidean")
    torch.testing.assert_close(found.double(), torch.cdist(embeddings, embeddings) ** 2, rtol=0, atol=2e-3)


def test_half_precision_around_the_loss_does_not_reach_it():
    embeddings, identities = batch(3)
    options = {"margin": MARGIN, "distance": "squared_euclidean", "mining": "hard"}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = triplet_loss(embeddings, identities, **options).loss
    assert torch.equal(inside, triplet_loss(embeddings, identities, **options).loss)
