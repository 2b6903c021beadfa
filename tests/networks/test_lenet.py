from __future__ import annotations

import pytest
import torch
from torch import nn

from src.errors import UserError
from tests.networks.building import build, parameters


def test_lenet_has_the_parameters_counted_by_hand():
    convolutions = (6 * 1 * 25 + 6) + (16 * 6 * 25 + 16)
    dense = (16 * 5 * 5 * 120 + 120) + (120 * 84 + 84) + (84 * 10 + 10)
    assert convolutions + dense == 61_706
    assert parameters(build("lenet", in_channels=1, image_size=32)) == 61_706


def test_images_of_28_px_are_padded_to_32_and_need_no_other_parameters():
    network = build("lenet", in_channels=1, image_size=28)
    assert parameters(network) == 61_706
    image = torch.rand(2, 1, 28, 28)
    framed = nn.functional.pad(image, (2, 2, 2, 2), mode="replicate")
    same = build("lenet", in_channels=1, image_size=32)
    same.load_state_dict(network.state_dict())
    torch.testing.assert_close(network(image), same(framed))


@pytest.mark.parametrize(("image_size", "side"), [(29, 5), (31, 5), (33, 5), (35, 5), (36, 6), (64, 13), (224, 53)])
def test_only_the_first_dense_layer_grows_with_the_image(image_size, side):
    network = build("lenet", image_size=image_size, num_classes=3)
    assert network(torch.rand(2, 3, image_size, image_size)).shape == (2, 3)
    dense = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert dense[0].in_features == 16 * side * side


def test_images_below_28_px_are_refused_with_both_sizes():
    with pytest.raises(UserError, match=r"at least 28 px.*data\.image_size=27"):
        build("lenet", image_size=27)


def test_activation_and_pooling_are_those_asked_for():
    published = {type(layer) for layer in build("lenet").modules()}
    modern = {type(layer) for layer in build("lenet", activation="relu", pooling="max").modules()}
    assert {nn.Tanh, nn.AvgPool2d} <= published
    assert not published & {nn.ReLU, nn.MaxPool2d}
    assert {nn.ReLU, nn.MaxPool2d} <= modern
    assert not modern & {nn.Tanh, nn.AvgPool2d}


def test_lenet_has_no_published_weights():
    with pytest.raises(UserError, match=r"network\.weights=IMAGENET1K_V1.*these are: none"):
        build("lenet", weights="IMAGENET1K_V1")
