from __future__ import annotations

import pytest
import torch

from src.errors import UserError
from tests.networks.building import build, parameters


def test_conv4_has_the_parameters_counted_by_hand():
    """Each block: nine weights per pair of maps, and a scale and a shift per map; four halvings leave 4 x 4."""
    convolutions = 9 * (1 * 64 + 3 * 64 * 64) + 4 * 2 * 64
    dense = 64 * 4 * 4 * 64 + 64
    assert parameters(build("conv4", in_channels=1, image_size=64, num_classes=64)) == convolutions + dense == 177_280


@pytest.mark.parametrize("image_size", [16, 28, 64, 84])
def test_images_of_any_size_from_16_px_on(image_size):
    network = build("conv4", in_channels=2, image_size=image_size, num_classes=5)
    assert network(torch.rand(2, 2, image_size, image_size)).shape == (2, 5)


def test_widths_say_how_many_blocks_there_are():
    network = build("conv4", widths=[8, 16], image_size=12, num_classes=5)
    assert [layer.out_channels for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)] == [8, 16]
    assert network(torch.rand(2, 3, 12, 12)).shape == (2, 5)


def test_images_that_pooling_leaves_nothing_of_are_refused():
    with pytest.raises(UserError, match=r"needs at least 16 px, found data\.image_size=15"):
        build("conv4", image_size=15)
