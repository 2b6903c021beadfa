"""Mixtures by hand."""

import numpy as np
import torch

from src.data.mix import beta, cut_and_mixed, mix, mixed_up


def batch():
    images = torch.stack([torch.full((1, 4, 4), float(value)) for value in (0, 8)])
    return images, torch.eye(2), torch.tensor([1, 0])


def test_mixup_by_hand():
    images, targets, partner = batch()
    mixed, soft = mixed_up(images, targets, partner, 0.75)
    assert mixed[0].unique().tolist() == [2.0]
    assert mixed[1].unique().tolist() == [6.0]
    assert soft.tolist() == [[0.75, 0.25], [0.25, 0.75]]


def test_cutmix_by_hand():
    """A quarter of the area, 2 x 2 of 4 x 4, pasted in the middle."""
    images, targets, partner = batch()
    mixed, soft = cut_and_mixed(images, targets, partner, 0.75, (0.5, 0.5))
    expected = torch.zeros(4, 4)
    expected[1:3, 1:3] = 8
    assert torch.equal(mixed[0, 0], expected)
    assert soft.tolist() == [[0.75, 0.25], [0.25, 0.75]]


def test_cutmix_counts_the_area_that_the_border_leaves():
    images, targets, partner = batch()
    mixed, soft = cut_and_mixed(images, targets, partner, 0.75, (0.0, 0.0))  # one pixel of the rectangle is inside
    assert mixed[0, 0].sum() == 8
    assert soft[0].tolist() == [15 / 16, 1 / 16]


def test_a_seed_gives_the_same_mixture_and_both_kinds_occur():
    images, targets = torch.rand(8, 3, 16, 16), torch.eye(8)
    kinds = set()
    for seed in range(20):
        first, second = (mix(images, targets, 0.4, 1.0, torch.Generator().manual_seed(seed)) for _ in range(2))
        assert torch.equal(first[0], second[0])
        assert torch.allclose(first[1].sum(1), torch.ones(8))
        pasted = torch.isin(first[0], images).all()  # cutmix moves pixels, mixup makes new values
        kinds.add(bool(pasted))
    assert kinds == {True, False}


def test_beta_has_its_mean_and_variance():
    numbers = np.array([beta(0.4, torch.Generator().manual_seed(seed)) for seed in range(4000)])
    assert abs(numbers.mean() - 0.5) < 0.02
    assert abs(numbers.var() - 1 / (4 * 1.8)) < 0.005  # 1 / (4 (2 alpha + 1))
