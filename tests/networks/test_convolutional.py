"""Dense layers as filters: the dense network's own answers, at one place and at many."""

from __future__ import annotations

import pytest
import torch

from src.errors import UserError
from src.networks.convolutional import Convolutional
from tests.networks.building import build

SIZES = {"vgg19": 224, "alexnet": 224, "lenet": 32, "resnet": 64, "squeezenet": 64, "googlenet": 64, "nin": 96}


def pair(family: str) -> tuple[torch.nn.Module, Convolutional]:
    torch.manual_seed(0)
    options = {"vgg19": {"depth": 19}, "googlenet": {"auxiliary": False}}.get(family, {})
    dense = build(family, image_size=SIZES[family], num_classes=7, **options).eval()
    return dense, Convolutional(dense, 3, SIZES[family]).eval()


@pytest.fixture(scope="module")
def networks(request: pytest.FixtureRequest) -> tuple[torch.nn.Module, Convolutional]:
    """Return the networks of one family, which all tests of it share: some take seconds to draw their weights."""
    return pair(request.param)


@pytest.mark.parametrize("networks", SIZES, indirect=True)
@torch.no_grad()
def test_at_the_training_size_it_is_the_dense_network(networks: tuple[torch.nn.Module, Convolutional]) -> None:
    dense, convolutional = networks
    images = torch.rand(2, 3, convolutional.image_size, convolutional.image_size)
    found = convolutional(images)
    assert found.shape == (2, 7, 1, 1)
    torch.testing.assert_close(found.flatten(1), dense(images), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_lenet_says_at_each_place_what_it_says_of_that_crop() -> None:
    """No padding is in the way; two subsamplings move the window by four pixels."""
    dense, convolutional = pair("lenet")
    image = torch.rand(1, 3, 48, 44)
    found = convolutional(image)
    assert found.shape == (1, 7, 5, 4)
    for row in range(5):
        for column in range(4):
            crop = image[..., 4 * row : 4 * row + 32, 4 * column : 4 * column + 32]
            torch.testing.assert_close(found[..., row, column], dense(crop), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("networks", "window"), [("vgg19", 7), ("alexnet", 6)], indirect=["networks"])
@torch.no_grad()
def test_each_place_is_the_dense_head_on_that_window_of_the_large_map(
    networks: tuple[torch.nn.Module, Convolutional], window: int
) -> None:
    dense, convolutional = networks
    image = torch.rand(1, 3, 288, 256)
    maps = dense.features(image)
    found = convolutional(image)
    height, width = (side - window + 1 for side in maps.shape[-2:])
    assert found.shape == (1, 7, height, width)
    assert height > 1
    for row, column in ((0, 0), (height - 1, width - 1)):
        part = maps[..., row : row + window, column : column + window]
        expected = dense.classifier(part.flatten(1))
        torch.testing.assert_close(found[..., row, column], expected, rtol=1e-5, atol=1e-5)


def test_the_weights_are_the_networks_own() -> None:
    dense, convolutional = pair("lenet")
    with torch.no_grad():
        dense.classifier[5].bias.fill_(3.0)
        dense.classifier[5].weight.zero_()
        assert convolutional(torch.rand(1, 3, 32, 32)).flatten().tolist() == [3.0] * 7


def test_features_stretched_for_the_dense_layers_are_refused() -> None:
    with pytest.raises(UserError, match="stretches its features of 2x2 to 7x7"):
        Convolutional(build("vgg19", depth=11, image_size=64), 3, 64)
    with pytest.raises(UserError, match="has LayerNorm2d between"):
        Convolutional(build("convnext", image_size=64), 3, 64)
