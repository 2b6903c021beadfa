"""The final convolutional features are found in every family, and kept without touching the network."""

from __future__ import annotations

import copy

import pytest
import torch

from src.errors import UserError
from src.networks.box_head import box_head
from src.networks.features import FinalFeatures, final_features
from tests.networks.building import SMALL_FAMILIES, build

EXPECTED = {  # the last stage as each family's own code names it; channels as published, sides from the strides
    "lenet": ("features", (16, 21, 21)),  # (96 - 4) / 2, then (46 - 4) / 2
    "alexnet": ("features", (256, 2, 2)),
    "vgg19": ("features", (512, 3, 3)),
    "googlenet": ("inception5b", (1024, 3, 3)),
    "googlenet_bn": ("inception5b", (1024, 3, 3)),
    "zfnet": ("features", (256, 2, 2)),  # (96 - 5) // 2 + 1 = 46, 23; 10, 5; 2
    "nin": ("features", (1024, 2, 2)),  # 22, 11, 5, 2
    "bn_inception": ("features", (1024, 3, 3)),
    "resnet": ("layer4", (512, 3, 3)),
    "squeezenet": ("features", (512, 5, 5)),
    "efficientnet": ("features", (1280, 3, 3)),
    "mobilenet": ("features", (576, 3, 3)),
    "convnext": ("features", (768, 3, 3)),
    "conv4": ("features", (8, 6, 6)),
    "timm": ("layer4", (512, 3, 3)),
}


@pytest.mark.parametrize("family", SMALL_FAMILIES)
def test_the_features_of_every_family(family):
    with torch.device("meta"):
        network = build(family, image_size=96, **SMALL_FAMILIES[family])
    assert final_features(network, 3, 96) == EXPECTED[family]


@pytest.mark.parametrize(
    ("name", "module", "shape"),
    [
        ("convnext_atto", "stages", (320, 3, 3)),
        ("densenet121", "features", (1024, 3, 3)),
        ("mobilenetv3_small_050", "blocks", (288, 3, 3)),  # then one pixel, which is no map
        ("efficientnet_b0", "bn2", (1280, 3, 3)),
    ],
)
def test_networks_of_timm(name, module, shape):
    with torch.device("meta"):
        network = build("timm", name=name, image_size=96)
    assert final_features(network, 3, 96) == (module, shape)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "mixer_s32_224"])
def test_a_network_without_a_convolutional_map_is_a_message(name):
    with torch.device("meta"):
        network = build("timm", name=name, image_size=224)
    with pytest.raises(UserError, match="does not end in a convolutional map"):
        final_features(network, 3, 224)


def test_what_is_kept_is_what_the_head_sees():
    network = build("resnet", depth=18, image_size=32).eval()
    names = set(network.state_dict())
    features = FinalFeatures(network, 3, 32)
    logits = network(torch.rand(2, 3, 32, 32))
    kept = features.take()
    assert kept.shape == (2, *features.shape)
    torch.testing.assert_close(network.fc(network.avgpool(kept).flatten(1)), logits)
    assert set(network.state_dict()) == names
    with pytest.raises(RuntimeError, match="was not run"):
        features.take()


def test_a_deep_copy_keeps_its_own():
    """Weight averaging copies the model."""
    parts = torch.nn.ModuleDict({"network": build("lenet", image_size=32)})
    parts.features = FinalFeatures(parts["network"], 3, 32)
    other = copy.deepcopy(parts)
    other["network"](torch.rand(1, 3, 32, 32))
    assert other.features.take().shape == (1, 16, 5, 5)
    with pytest.raises(RuntimeError, match="was not run"):
        parts.features.take()


def test_the_box_head_is_dense_layers_on_at_most_so_many_cells():
    """Untrained it says the middle of the image, whatever it sees."""
    head = box_head((8, 12, 12), grid=3, hidden=[16, 5], dropout=0.1)
    assert [tuple(layer.weight.shape) for layer in head if isinstance(layer, torch.nn.Linear)] == [
        (16, 8 * 3 * 3),
        (5, 16),
        (4, 5),
    ]
    assert head(torch.rand(2, 8, 12, 12)).shape == (2, 4)
    small = box_head((8, 2, 2), grid=3, hidden=[], dropout=0.0)
    assert small[-1].in_features == 8 * 2 * 2
    torch.testing.assert_close(small(torch.rand(1, 8, 2, 2)), torch.tensor([[0.25, 0.25, 0.5, 0.5]]))
