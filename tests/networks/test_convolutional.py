"""Dense layers as filters: the dense network's own answers, at one place and at many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

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


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("mobilenet", {"variant": "v2"}),  # averages by a function that is no module
        ("mobilenet", {"variant": "v3_small"}),
        ("convnext", {}),  # normalises over the channels between average and logits
        ("timm", {"name": "mobilenetv4_conv_small_035"}),  # its normalisation there has the activation inside
    ],
)
@torch.no_grad()
def test_heads_of_other_forms_are_the_dense_networks_too(family: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    dense = build(family, image_size=96, num_classes=7, **options)
    for module in dense.modules():
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):  # as after training: no step of it may be left out
            nn.init.normal_(module.bias)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    dense.eval()
    convolutional = Convolutional(dense, 3, 96).eval()
    images = torch.rand(2, 3, 96, 96)
    expected = dense(images)
    scale = float(expected.abs().max())
    torch.testing.assert_close(convolutional(images).flatten(1), expected, rtol=0, atol=1e-5 * scale)
    assert convolutional(torch.rand(1, 3, 160, 128)).shape[:2] == (1, 7)


class Headed(nn.Module):
    """A small network of 8 x 4 x 4 features, with steps between them and its outputs that are given."""

    def __init__(self, between: nn.Module, activate: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.between, self.activate_with = between, activate or nn.Identity()
        self.fc = nn.Linear(16, 5)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.activate_with(self.between(self.features(images))).flatten(1))
        return logits


@torch.no_grad()
def test_a_filter_that_fits_into_the_features_once_is_a_dense_layer() -> None:
    torch.manual_seed(0)
    dense = Headed(nn.Sequential(nn.Conv2d(8, 16, 4), nn.ReLU())).eval()
    convolutional = Convolutional(dense, 3, 8)
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(convolutional(images).flatten(1), dense(images))
    assert convolutional(torch.rand(1, 3, 12, 16)).shape == (1, 5, 3, 5)


def test_what_is_no_module_is_noticed() -> None:
    """An activation that is a function would be left out in silence."""
    torch.manual_seed(0)
    between = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 16, 1))
    Convolutional(Headed(between), 3, 8)
    with pytest.raises(UserError, match="between features, its final features, and its outputs that is no module"):
        Convolutional(Headed(between, torch.nn.functional.relu), 3, 8)


def test_means_over_the_map_are_refused() -> None:
    between = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 16, 1), nn.GroupNorm(2, 16))
    with pytest.raises(UserError, match="has GroupNorm between"):
        Convolutional(Headed(between), 3, 8)
