"""Occlusion: against captum on the same windows, and by hand where only one place matters."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
from torch import nn

from src.errors import UserError
from src.explanations.answers import Question
from src.explanations.images import Item
from src.explanations.occlusion import Occlusion, as_window, cover_value, covered, occluded, spread, windows
from tests.explanations.small import MadeUp, convolutional, subject


@pytest.mark.parametrize(("patch", "stride"), [(4, 2), (5, 3), (16, 1), (3, 3)])
@pytest.mark.parametrize("fill", ["mean", 100.0])
def test_occlusion_equals_captums_on_the_same_windows(patch: int, stride: int, fill: float | str) -> None:
    explained = subject(convolutional(), 16)
    item = MadeUp(1, 16).item(0)
    answer = Question("class", "dog").settled(explained).answer(explained, item, None)
    image = explained.normalized(item.batch)
    places = windows(16, patch, stride)
    before, after = occluded(answer.value, image, places, cover_value(explained, fill), 7)
    ours = spread((before - after).numpy(), places, 16)
    baseline = 0.0 if fill == "mean" else 100 / 255
    theirs = captum.attr.Occlusion(answer.value).attribute(
        image,
        sliding_window_shapes=(3, patch, patch),
        strides=(3, stride, stride),
        baselines=baseline,
        perturbations_per_eval=7,
    )
    np.testing.assert_allclose(ours, theirs[0, 0].numpy(), atol=1e-6)


def test_windows_cover_the_whole_image_and_the_last_is_cut() -> None:
    assert windows(7, 3, 2) == [(x, y, x + 3, y + 3) for y in (0, 2, 4) for x in (0, 2, 4)]
    assert windows(8, 3, 3)[-1] == (6, 6, 8, 8)
    assert spread(np.ones(9), windows(8, 3, 3), 8).tolist() == np.ones((8, 8)).tolist()


def test_only_what_is_covered_is_filled() -> None:
    image = torch.rand(1, 3, 6, 6)
    first, second = covered(image, [(0, 0, 2, 3), (5, 5, 6, 6)], torch.full((3, 1, 1), 9.0))
    assert (first[:, :3, :2] == 9).all()
    assert torch.equal(first[:, 3:], image[0, :, 3:])
    assert int((second != image[0]).sum()) == 3


def test_the_place_that_the_answer_depends_on_falls_most() -> None:
    """A network that looks at one pixel: its weight is 4, the pixel 255, and without it the score is 0."""
    network = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2, bias=False))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network[0].weight[0, 0] = 1
        network[3].weight[1, 3 * 8 + 6] = 4  # row 3, column 6
    explained = subject(network, 8)
    item = MadeUp(1, 8).item(0)
    pixels = item.whole.copy()
    pixels[3, 6] = 255
    item = Item(0, "x", pixels, pixels, item.view)
    answer = Question("class", 1).settled(explained).answer(explained, item, None)
    places = windows(8, 1, 1)
    before, after = occluded(answer.value, explained.normalized(item.batch), places, cover_value(explained, 0.0), 10)
    falls = (before - after).reshape(8, 8)
    assert float(before) == pytest.approx(1 / (1 + np.exp(-4)))
    assert float(falls[3, 6]) == pytest.approx(1 / (1 + np.exp(-4)) - 0.5)
    falls[3, 6] = 0
    assert float(falls.abs().max()) == 0


def test_a_relative_box_becomes_whole_pixels() -> None:
    assert as_window([0.1, 0.25, 0.55, 1.2], 8) == (0, 2, 5, 8)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"box": [4, 4, 2, 8]}, "expected"),
        ({"box": [1, 1, 2, 2], "patch": 3}, "covers one box"),
        ({"layer": "features"}, "channel=NUMBER"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys: dict[str, object], message: str) -> None:
    usual: dict[str, object] = {
        **{"what": "auto", "label": None, "layer": None, "channel": None, "patch": "auto", "stride": "auto"},
        **{"fill": "mean", "box": None, "limit": 1},
    }
    with pytest.raises(UserError, match=message):
        Occlusion(**(usual | keys))
