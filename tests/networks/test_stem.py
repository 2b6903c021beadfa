from __future__ import annotations

import logging

import pytest
import torch

from src.errors import UserError
from src.networks.resnet import stages
from tests.networks.building import build, parameters


def feature_side(network, image_size):
    """Return the side of the last maps with more than one pixel, seen by the last convolution."""
    seen = []
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda layer, given, made: seen.append(made.shape[-1]))
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, image_size, image_size))
    return max(seen), seen[-1]


@pytest.mark.parametrize(("stem", "shrunk"), [("imagenet", 32), ("medium", 16), ("small", 8)])
def test_a_resnets_stem_decides_how_much_it_shrinks(stem, shrunk):
    _, last = feature_side(build("resnet", stem=stem), 64)
    assert last == 64 // shrunk


def test_a_resnet_with_the_small_stem_is_the_one_known_from_cifar():
    assert parameters(build("resnet", stem="small", image_size=32)) == 11_173_962


@pytest.mark.parametrize(
    ("name", "changes", "published", "small"),
    [
        ("efficientnet", {}, 32, 64),
        ("mobilenet", {"variant": "v3_small"}, 32, 64),
        ("mobilenet", {"variant": "v2"}, 32, 64),
        ("convnext", {}, 16, 32),
    ],
)
def test_the_small_stem_doubles_the_maps(name, changes, published, small):
    assert feature_side(build(name, stem="imagenet", **changes), 64)[0] == published
    assert feature_side(build(name, stem="small", **changes), 64)[0] == small


@pytest.mark.parametrize(
    ("image_size", "expected"), [(32, "small"), (40, "small"), (41, "imagenet"), (224, "imagenet")]
)
def test_what_auto_became_is_said(image_size, expected, caplog):
    with caplog.at_level(logging.INFO, logger="src.networks"), torch.device("meta"):
        network = build("resnet", image_size=image_size)
    assert f"network.stem=auto: {expected}, for images of {image_size} px" in caplog.text
    assert network.conv1.kernel_size == ((3, 3) if expected == "small" else (7, 7))


def test_published_weights_are_refused_for_a_stem_that_they_do_not_belong_to():
    with pytest.raises(UserError, match=r"IMAGENET1K_V1 belong to network\.stem=imagenet.*data\.image_size=32"):
        build("resnet", image_size=32, weights="IMAGENET1K_V1")


@pytest.mark.parametrize(
    ("depth", "layers", "expected"),
    [
        (18, None, ([2, 2, 2, 2], 2)),
        (50, None, ([3, 4, 6, 3], 3)),
        (10, [1, 1, 1, 1], ([1, 1, 1, 1], 2)),
        (14, [1, 1, 1, 1], ([1, 1, 1, 1], 3)),
        (26, [2, 2, 2, 2], ([2, 2, 2, 2], 3)),
    ],
)
def test_depth_and_layers_say_which_block(depth, layers, expected):
    assert stages(depth, layers) == expected


def test_a_resnet_of_the_users_own_depth_has_that_many_layers():
    network = build("resnet", depth=20, layers=[1, 2, 3, 3])
    weighted = [
        name
        for name, layer in network.named_modules()
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear) and "downsample" not in name
    ]
    assert len(weighted) == 20


@pytest.mark.parametrize(
    ("depth", "blocks"),
    [(10, [1, 1, 1, 1]), (20, [2, 2, 3, 2]), (26, [3, 3, 3, 3]), (34, [3, 4, 6, 3]), (62, [5, 5, 5, 5])],
)
def test_any_depth_has_its_blocks_spread_over_the_stages(depth, blocks):
    found, layers_per_block = stages(depth, None)
    assert found == blocks
    assert 2 + layers_per_block * sum(found) == depth


@pytest.mark.parametrize(
    ("depth", "layers", "message"),
    [
        (17, None, r"type network\.depth=16 or 18"),
        (51, None, r"type network\.depth=50 or 53"),
        (8, None, r"type network\.depth=10"),
        (18, [1, 1, 1, 1], r"type network\.depth=10 or network\.depth=14"),
        (8, [1, 1, 1], "expected four stages"),
        (8, [1, 1, 1, 0], "at least one block"),
    ],
)
def test_a_depth_that_cannot_be_built_says_what_to_type(depth, layers, message):
    with pytest.raises(UserError, match=message):
        stages(depth, layers)
