"""Names of layers: what the chapter calls layers 2 to 5, and mistakes with the nearest."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from src.errors import UserError
from src.explanations.layers import chosen_layers, final_layer, usual_layers
from src.explanations.taps import outputs_of
from tests.explanations.small import convolutional, subject
from tests.networks.building import build

STAGES = ["layer1", "layer2", "layer3", "layer4"]


@pytest.mark.parametrize(
    ("network", "size", "changes", "names"),
    [
        ("resnet", 64, {}, STAGES),
        ("resnet50", 96, {}, STAGES),
        ("resnet50", 96, {"output_stride": 8}, STAGES),
        ("vgg19", 64, {}, ["features.8", "features.17", "features.26", "features.35"]),
        ("alexnet", 96, {}, ["features.4", "features.7", "features.9", "features.11"]),
        ("efficientnet", 96, {}, ["features.2", "features.3", "features.5", "features"]),
        ("bn_inception", 96, {}, ["features.conv2", "features.inception3b", "features.inception4d", "features"]),
        ("inception_resnet", 139, {}, ["conv2d_4a", "repeat", "repeat_1", "conv2d_7b"]),
        ("squeezenet", 96, {}, ["features.5", "features.10", "features"]),
        ("nin", 96, {}, ["features.13", "features.21", "features"]),
    ],
)
def test_layers_2_to_5_are_those_of_the_chapter(
    network: str, size: int, changes: dict[str, int], names: list[str]
) -> None:
    with torch.device("meta"):
        built = build(network, image_size=size, **changes)
    bare = built.to_empty(device="cpu")
    assert usual_layers(subject(bare, size)) == names


def test_a_wrong_name_gets_the_nearest() -> None:
    explained = subject(build("resnet", image_size=64), 64)
    with pytest.raises(UserError, match=r"no such layer; the nearest are .*layer3\.1\.conv2.*method=layers lists all"):
        chosen_layers(explained, "layer3.1.conv22")
    with pytest.raises(UserError, match=r"gives 10, which is no map of channels; the last that is one: layer4"):
        chosen_layers(explained, "fc")


def test_what_a_layer_gives_is_kept_from_changes_in_place() -> None:
    explained = subject(convolutional(), 16)
    image = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        found = outputs_of(explained, image, ["0", "1"])
    torch.testing.assert_close(found["0"], explained.network[0](image))
    assert float(found["0"].min()) < 0


def test_a_module_that_is_passed_twice_stands_for_its_last_time() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.twice, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Linear(3, 2)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(self.twice(self.conv(self.twice(images))).mean((2, 3)))

    network = Twice()
    explained, image = subject(network, 8), torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        found = outputs_of(explained, image, ["twice"])["twice"]
        torch.testing.assert_close(found, network.conv(image.relu()).relu())


def test_channels_that_come_last_are_brought_to_the_front() -> None:
    class Last(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.permute(0, 2, 3, 1)

    network = nn.Sequential(nn.Conv2d(3, 5, 3), Last(), nn.Flatten(), nn.Linear(5 * 36, 2))
    explained, image = subject(network, 8), torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(outputs_of(explained, image, ["1"])["1"], network[0](image))


def test_a_network_without_a_final_map_is_asked_for_a_layer() -> None:
    explained = subject(build("timm", name="vit_tiny_patch16_224", image_size=64), 64)
    with pytest.raises(UserError, match=r"name a layer that gives one, method\.layer=NAME, such as patch_embed\.proj"):
        final_layer(explained)
