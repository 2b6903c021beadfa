from __future__ import annotations

import pytest
import torch

from src.errors import UserError
from src.networks.input_layer import first_conv_name
from tests.networks.building import LIGHT_FAMILIES, SMALL_FAMILIES, build, parameters

PUBLISHED_PARAMETERS = [  # torchvision's documentation of its published weights, 1000 classes
    ("resnet", {"depth": 18}, 11_689_512),
    ("resnet", {"depth": 34}, 21_797_672),
    ("resnet", {"depth": 50}, 25_557_032),
    ("resnet", {"depth": 101}, 44_549_160),
    ("resnet", {"depth": 152}, 60_192_808),
    ("vgg19", {"depth": 11}, 132_863_336),
    ("vgg19", {"depth": 13}, 133_047_848),
    ("vgg19", {"depth": 16}, 138_357_544),
    ("vgg19", {}, 143_667_240),
    ("vgg19", {"batch_norm": True}, 143_678_248),
    ("alexnet", {}, 61_100_840),
    ("googlenet_bn", {"auxiliary": False}, 6_624_904),
    ("googlenet", {"auxiliary": False}, 6_998_552),  # 6,826 x 1,024 weights, and the biases
    ("alexnet", {"streams": 2}, 60_965_224),
    ("zfnet", {}, 62_357_608),
    ("nin", {"stem": "imagenet"}, 7_595_176),
    ("inception_resnet", {}, 55_843_464),  # as timm documents it: 55.8 million
    ("bn_inception", {}, 11_285_224),  # 11,295,240 with a bias for each of the 10,016 normalised channels
    ("squeezenet", {"version": 1.0}, 1_248_424),
    ("squeezenet", {"version": 1.1}, 1_235_496),
    ("efficientnet", {"variant": "b0"}, 5_288_548),
    ("efficientnet", {"variant": "b7"}, 66_347_960),
    ("efficientnet", {"variant": "v2_s"}, 21_458_488),
    ("mobilenet", {"variant": "v2"}, 3_504_872),
    ("mobilenet", {"variant": "v3_small"}, 2_542_856),
    ("mobilenet", {"variant": "v3_large"}, 5_483_032),
    ("convnext", {"variant": "tiny"}, 28_589_128),
]


@pytest.mark.parametrize(("name", "changes", "expected"), PUBLISHED_PARAMETERS)
def test_a_network_has_its_published_number_of_parameters(name, changes, expected):
    with torch.device("meta"):
        assert parameters(build(name, num_classes=1000, image_size=224, **changes)) == expected


@pytest.mark.parametrize("in_channels", [1, 5])  # three: test_training_step
@pytest.mark.parametrize("name", SMALL_FAMILIES)
def test_every_family_learns_from_images_of_any_channels(name, in_channels):
    torch.manual_seed(0)
    network = build(name, in_channels=in_channels, num_classes=4, **SMALL_FAMILIES[name])
    output = network(torch.rand(2, in_channels, 64, 64))
    logits = output if isinstance(output, torch.Tensor) else output.logits
    assert logits.shape == (2, 4)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 3])).backward()
    first = network.get_submodule(first_conv_name(network))
    assert first.weight.grad.shape[1] == in_channels
    assert first.weight.grad.isfinite().all()
    assert first.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", LIGHT_FAMILIES)
def test_a_new_network_is_a_function_of_torchs_seed(name):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        one = build(name, in_channels=2, **LIGHT_FAMILIES[name]).state_dict()
        torch.manual_seed(5)
        two = build(name, in_channels=2, **LIGHT_FAMILIES[name]).state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("name", ["alexnet", "convnext", "googlenet_bn", "resnet", "squeezenet", "mobilenet"])
def test_a_replaced_first_convolution_is_drawn_like_the_familys_own(name):
    """The spread of its weights, relative to the rule of He et al. for the same layer, is that of three channels."""
    torch.manual_seed(0)
    three, five = (build(name, in_channels=channels, **SMALL_FAMILIES[name]) for channels in (3, 5))
    old, new = (network.get_submodule(first_conv_name(network)).weight for network in (three, five))
    by_inputs = name in ("alexnet", "squeezenet")  # these scale with the number of inputs, the others do not
    expected = (3 / 5) ** 0.5 if by_inputs else 1.0
    assert (new.std() / old.std()).item() == pytest.approx(expected, rel=0.15)


SMALLEST = [  # from the strides: each stage must leave one pixel for its pooling or patch
    ("alexnet", {}, 63),
    ("vgg19", {"depth": 11}, 32),  # five halvings
    ("googlenet", {}, 31),  # 16, 8, 4, 2, 1
    ("googlenet_bn", {}, 15),
    ("zfnet", {}, 63),
    ("squeezenet", {"version": 1.0}, 21),
    ("squeezenet", {"version": 1.1}, 17),
    ("convnext", {"stem": "imagenet"}, 32),  # 4 x 2 x 2 x 2
    ("convnext", {"stem": "small"}, 16),
]


@pytest.mark.parametrize(("name", "changes", "smallest"), SMALLEST)
def test_an_image_too_small_is_refused_with_the_size_found_and_needed(name, changes, smallest):
    with torch.device("meta"):
        build(name, image_size=smallest, **changes)
        with pytest.raises(UserError, match=rf"at least {smallest} px, found data\.image_size={smallest - 1}"):
            build(name, image_size=smallest - 1, **changes)


@pytest.mark.parametrize("name", ["alexnet", "googlenet_bn", "squeezenet"])
def test_the_smallest_size_is_enough_to_train(name):
    smallest = {"alexnet": 63, "googlenet_bn": 15, "squeezenet": 17}[name]
    network = build(name, image_size=smallest, **SMALL_FAMILIES[name])
    output = network(torch.rand(2, 3, smallest, smallest))
    logits = output if isinstance(output, torch.Tensor) else output.logits
    logits.sum().backward()
