"""The localizer's loss by hand, the costs of boxes against another library, and no gradient where nothing is."""

from __future__ import annotations

import math

import pytest
import torch
from torchvision import ops

from src.losses.boxes import (
    COSTS,
    classification_loss,
    giou,
    localization_loss,
    mse,
    smooth_l1,
    xyhw_to_xyxy,
    xyxy_to_xyhw,
)


def boxes(*rows):
    return torch.tensor(rows, dtype=torch.float32)


def random_boxes(count, seed):
    """Boxes (x, y, h, w) inside the unit square, with sides of at least 0.01."""
    random = torch.rand(count, 4, generator=torch.Generator().manual_seed(seed))
    return 0.5 * random + torch.tensor([0.0, 0.0, 0.01, 0.01])


def test_x_y_h_w_is_corner_height_and_width():
    """A box from (0.1, 0.2) to (0.4, 0.8) is 0.6 high and 0.3 wide."""
    chapter = xyxy_to_xyhw(boxes([0.1, 0.2, 0.4, 0.8]))
    torch.testing.assert_close(chapter, boxes([0.1, 0.2, 0.6, 0.3]))
    torch.testing.assert_close(xyhw_to_xyxy(chapter), boxes([0.1, 0.2, 0.4, 0.8]))


def test_the_combined_loss_by_hand():
    """Two samples: one of class 1, one of nothing.

    Cross entropy: -ln(3/4) for odds 1 : 3, -ln(1/2) for even odds; mean (0.287682 + 0.693147) / 2 = 0.490415.
    Box of the first: differences 0.1, 0.1, 0.2, 0, squares 0.01 + 0.01 + 0.04 + 0 = 0.06, mean 0.015; the second counts
    0 although its box is off; the mean over both is 0.0075. With gamma 2: 0.490415 + 0.015 = 0.505415.
    """
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    label = torch.tensor([1, 0])
    found = boxes([0.2, 0.3, 0.5, 0.4], [0.9, 0.9, 0.9, 0.9])
    true = boxes([0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 0.0])
    box_loss = localization_loss(found, true, label, mse)
    torch.testing.assert_close(box_loss, torch.tensor(0.0075))
    total = classification_loss(logits, label, 0.0) + 2 * box_loss
    torch.testing.assert_close(total, torch.tensor(0.505415), atol=1e-6, rtol=0)


def test_the_mean_is_over_all_samples_so_parts_of_a_batch_add_up():
    found, true = random_boxes(12, 0), random_boxes(12, 1)
    label = torch.tensor([0, 1, 2] * 4)
    whole = localization_loss(found, true, label, mse)
    parts = [localization_loss(found[i : i + 4], true[i : i + 4], label[i : i + 4], mse) for i in (0, 4, 8)]
    torch.testing.assert_close(whole, torch.stack(parts).mean())


@pytest.mark.parametrize("name", COSTS)
def test_no_gradient_where_the_image_shows_nothing(name):
    """Exactly zero, not merely small, although the absent boxes are the worst there are: no area, or not finite."""
    found = torch.cat([random_boxes(2, 2), boxes([0.5, 0.5, 0.0, 0.0], [math.inf, 0.0, -1.0, math.nan])])
    found.requires_grad_()
    label = torch.tensor([1, 2, 0, 0])
    loss = localization_loss(found, torch.zeros(4, 4) + boxes([0.1, 0.1, 0.3, 0.3]), label, COSTS[name])
    loss.backward()
    assert torch.equal(found.grad[2:], torch.zeros(2, 4))
    assert (found.grad[:2].abs().sum(1) > 0).all()
    assert found.grad.isfinite().all()


@pytest.mark.parametrize("name", COSTS)
def test_a_batch_of_nothing_costs_nothing(name):
    found = random_boxes(3, 0).requires_grad_()
    loss = localization_loss(found, torch.zeros(3, 4), torch.zeros(3, dtype=torch.long), COSTS[name])
    loss.backward()
    assert loss.item() == 0
    assert not found.grad.any()


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("giou", ops.generalized_box_iou_loss),
        ("diou", ops.distance_box_iou_loss),
        ("ciou", ops.complete_box_iou_loss),
    ],
)
def test_overlap_costs_and_their_gradients_are_torchvisions(name, reference):
    ours, theirs = random_boxes(500, 3).requires_grad_(), random_boxes(500, 3).requires_grad_()
    true = random_boxes(500, 4)
    mine, expected = COSTS[name](ours, true), reference(xyhw_to_xyxy(theirs), xyhw_to_xyxy(true))
    torch.testing.assert_close(mine, expected, atol=1e-5, rtol=1e-4)
    weights = torch.rand(500, generator=torch.Generator().manual_seed(5))
    (mine * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-3, rtol=1e-3)


def test_giou_by_hand():
    """Two unit squares of which one is 2 to the right: no overlap, hull 3, union 2: GIoU = 0 - 1/3."""
    cost = giou(boxes([0, 0, 1, 1]), boxes([2, 0, 1, 1]))
    torch.testing.assert_close(cost, torch.tensor([4 / 3]))


def test_smooth_l1_by_hand():
    """Below 0.1 it is d * d / 0.2, above d - 0.05: (0.05: 0.0125) + (0.3: 0.25) + 0 + 0, a quarter of it."""
    cost = smooth_l1(boxes([0.05, 0.3, 0.5, 0.5]), boxes([0.0, 0.0, 0.5, 0.5]))
    torch.testing.assert_close(cost, torch.tensor([(0.0125 + 0.25) / 4]))


@pytest.mark.parametrize("name", COSTS)
def test_boxes_without_area_have_finite_costs_and_gradients(name):
    found = boxes([0.5, 0.5, 0.0, 0.0], [0.2, 0.2, -0.1, 0.3], [0.0, 0.0, 1.0, 1.0]).requires_grad_()
    cost = COSTS[name](found, boxes([0.5, 0.5, 0.0, 0.0], [0.1, 0.1, 0.2, 0.2], [0.0, 0.0, 1.0, 1.0]))
    cost.sum().backward()
    assert cost.isfinite().all()
    assert found.grad.isfinite().all()


@pytest.mark.parametrize("name", ["giou", "diou", "ciou"])
def test_a_box_that_has_collapsed_grows_again(name):
    """Inside a larger true box: a larger height and width, even from below zero, cost less."""
    found = boxes([0.5, 0.5, -0.05, -0.05], [0.5, 0.5, 0.0, 0.0]).requires_grad_()
    COSTS[name](found, boxes([0.2, 0.2, 0.6, 0.6], [0.2, 0.2, 0.6, 0.6])).sum().backward()
    assert (found.grad[:, 2:].sum(1) < 0).all()
