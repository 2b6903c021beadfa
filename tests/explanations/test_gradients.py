"""Grad-CAM and saliency, against what a small network gives by hand."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from src.explanations.answers import Question
from src.explanations.gradcam import grad_cam
from src.explanations.images import Item
from src.explanations.saliency import saliency
from tests.explanations.small import MadeUp, subject


def two_channels() -> nn.Module:
    """Channel 0 is red, channel 1 is green minus blue; their means are weighed by 2 and -3 for `cat`."""
    network = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    with torch.no_grad():
        network[0].weight[:, :, 0, 0] = torch.tensor([[1.0, 0, 0], [0, 1, -1]])
        network[3].weight[:] = torch.tensor([[2.0, -3], [0, 1]])
    return network


def item(values: list[list[list[int]]]) -> Item:
    pixels = np.array(values, np.uint8)
    made_up = MadeUp(1, len(pixels)).item(0)
    return Item(0, "x", pixels, pixels, made_up.view)


def test_grad_cam_equals_a_hand_calculation() -> None:
    """Of four pixels the mean gradients are 2/4 and -3/4; so cat's map is relu(red / 2 - 3 (green - blue) / 4)."""
    explained = subject(two_channels(), 2)
    image = item([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]])
    answer = Question("class", "cat").settled(explained).answer(explained, image, None)
    _, maps = grad_cam(explained, explained.normalized(image.batch), answer, "0")
    torch.testing.assert_close(maps, torch.tensor([[[0.5, 0.0], [0.75, 0.0]]]))


def test_grad_cam_of_a_layer_whose_channels_come_last_is_the_same() -> None:
    """Before and after `Last` lie the same numbers, and the map is of 5x5 places, not of 4 channels."""

    class Last(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.permute(0, 2, 3, 1)

    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), Last(), nn.ReLU(), nn.Flatten(), nn.Linear(100, 2))
    explained, image = subject(network, 7), MadeUp(1, 7).item(0)
    answer = Question("class", "cat").settled(explained).answer(explained, image, None)
    _, before = grad_cam(explained, explained.normalized(image.batch), answer, "0")
    _, behind = grad_cam(explained, explained.normalized(image.batch), answer, "1")
    torch.testing.assert_close(behind, before)


def test_grad_cam_of_the_other_class_is_another() -> None:
    explained = subject(two_channels(), 2)
    image = item([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]])
    answer = Question("class", 1).settled(explained).answer(explained, image, None)
    _, maps = grad_cam(explained, explained.normalized(image.batch), answer, "0")
    torch.testing.assert_close(maps, torch.tensor([[[0.0, 0.25], [0.0, 0.25]]]))  # (green - blue) / 4


def test_saliency_of_a_linear_answer_is_its_largest_weight() -> None:
    """cat = mean of 2 red - 3 green + 3 blue over four pixels: the largest magnitude is 3/4, everywhere."""
    explained = subject(two_channels(), 2)
    image = item([[[9, 8, 7], [6, 5, 4]], [[3, 2, 1], [0, 1, 2]]])
    answer = Question("class", "cat").settled(explained).answer(explained, image, None)
    value, maps = saliency(explained.normalized(image.batch), answer)
    torch.testing.assert_close(maps, torch.full((1, 2, 2), 0.75))
    assert 0 < value < 1


def test_saliency_of_a_channel_lies_where_the_channel_looks() -> None:
    explained = subject(two_channels(), 2)
    image = item([[[9, 8, 7], [6, 5, 4]], [[3, 2, 1], [0, 1, 2]]])
    answer = Question("channel", layer="0", channel=0).settled(explained).answer(explained, image, None)
    value, maps = saliency(explained.normalized(image.batch), answer)
    torch.testing.assert_close(maps, torch.full((1, 2, 2), 0.25))
    assert abs(value - (9 + 6 + 3 + 0) / 4 / 255) < 1e-6
