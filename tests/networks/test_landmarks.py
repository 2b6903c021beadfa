"""The networks of the chapter that are written here, against their papers and their relatives in the libraries."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from src.errors import UserError
from src.networks.efficientnet import compound_scaling
from src.networks.googlenet import Inception, IntermediateClassifier
from src.networks.response_normalization import ResponseNormalization
from tests.networks.building import build, parameters


def test_the_inception_module_of_figure_6_13() -> None:
    """The text gives the fourth path 192 channels: 64 + 128 + 32 + 192 would be 416."""
    module = Inception(192, (64, 96, 128, 16, 32, 32))
    assert module(torch.zeros(1, 192, 28, 28)).shape == (1, 256, 28, 28)


def test_googlenets_weights_alone_are_the_chapters_count() -> None:
    with torch.device("meta"):
        network = build("googlenet", auxiliary=False, num_classes=1000, image_size=224)
    assert sum(p.numel() for p in network.parameters() if p.ndim > 1) == 6_990_272 == 6_826 * 1_024 + 448


def test_googlenets_classifiers_hear_the_inner_modules_while_it_trains() -> None:
    network = build("googlenet", num_classes=4)
    main, second, first = network(torch.rand(2, 3, 64, 64))
    assert main.shape == second.shape == first.shape == (2, 4)
    assert network.eval()(torch.rand(2, 3, 64, 64)).shape == (2, 4)


def test_the_two_streams_of_alexnet_do_not_see_each_other() -> None:
    network = build("alexnet", streams=2, image_size=224)
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.groups for layer in layers] == [1, 2, 1, 2, 2]
    first = torch.zeros(1, 96, 27, 27, requires_grad=True)
    layers[1](first)[:, :128].sum().backward()  # the first stream's half of the second layer
    assert first.grad is not None
    assert first.grad[:, :48].abs().sum() > 0
    assert not first.grad[:, 48:].any()


def test_alexnets_response_normalisation_is_the_papers() -> None:
    """Section 3.3: b = a / (2 + 1e-4 * sum of the squares of five neighbouring maps)^0.75, here by hand."""
    torch.manual_seed(0)
    responses = 100 * torch.rand(1, 8, 2, 3, dtype=torch.double)
    squares = torch.stack([responses[:, max(0, i - 2) : i + 3].square().sum(1) for i in range(8)], 1)
    torch.testing.assert_close(ResponseNormalization()(responses), responses / (2 + 1e-4 * squares) ** 0.75)
    halves = [ResponseNormalization()(half) for half in responses.chunk(2, 1)]
    torch.testing.assert_close(ResponseNormalization(streams=2)(responses), torch.cat(halves, 1))


@pytest.mark.parametrize(("family", "options", "streams"), [("alexnet", {"streams": 2}, 2), ("zfnet", {}, 1)])
def test_networks_with_alexnets_normalisation(family: str, options: dict[str, int], streams: int) -> None:
    with torch.device("meta"):
        network = build(family, image_size=96, **options)
    assert [layer.streams for layer in network.modules() if isinstance(layer, ResponseNormalization)] == [streams] * 2


@torch.no_grad()
def test_the_first_stream_of_alexnet_does_not_hear_the_second_before_the_third_layer() -> None:
    network = build("alexnet", streams=2, image_size=64).eval()
    silenced = copy.deepcopy(network)
    nn.init.zeros_(silenced.features[0].weight[48:])
    images = torch.rand(1, 3, 64, 64)
    first, second = (one.features[:8](images) for one in (network, silenced))  # up to the second pooling
    torch.testing.assert_close(first[:, :128], second[:, :128], rtol=0, atol=0)
    assert not torch.equal(first[:, 128:], second[:, 128:])


@torch.no_grad()
def test_googlenets_classifiers_average_over_the_published_windows() -> None:
    """5x5 with stride 3 over 14x14 maps (section 5)."""
    classifier = IntermediateClassifier(6, 4).eval()
    seen: list[torch.Tensor] = []
    classifier.conv.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    maps = torch.rand(2, 6, 14, 14)
    classifier(maps)
    torch.testing.assert_close(seen[0][:, :, 1, 3], maps[:, :, 3:8, 9:14].mean((2, 3)))
    torch.testing.assert_close(seen[0], nn.AvgPool2d(5, stride=3)(maps))
    assert classifier(torch.rand(2, 6, 4, 4)).shape == (2, 4)


@pytest.mark.parametrize(("family", "typed"), [("googlenet", "model=googlenet_bn"), ("alexnet", "network.streams=1")])
def test_weights_of_torchvisions_relatives_are_refused(family: str, typed: str) -> None:
    options = {"streams": 2} if family == "alexnet" else {}
    with pytest.raises(UserError, match=typed):
        build(family, weights="IMAGENET1K_V1", image_size=224, **options)


@pytest.mark.parametrize(("depth", "output_stride"), [(18, 16), (18, 8), (50, 16), (50, 8)])
def test_a_dilated_resnet_has_the_strided_ones_values_between_its_own(depth: int, output_stride: int) -> None:
    torch.manual_seed(0)
    strided = build("resnet", depth=depth, stem="imagenet", image_size=96).double().eval()
    dilated = build("resnet", depth=depth, stem="imagenet", image_size=96, output_stride=output_stride).double().eval()
    dilated.load_state_dict(strided.state_dict())
    found: dict[str, torch.Tensor] = {}
    for name, network in (("strided", strided), ("dilated", dilated)):
        layer = network.get_submodule("layer4")
        layer.register_forward_hook(lambda _m, _i, output, name=name: found.update({name: output}))
        with torch.no_grad():
            network(torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1), dtype=torch.double))
    step = 32 // output_stride
    assert found["dilated"].shape[-1] == 96 // output_stride
    torch.testing.assert_close(found["dilated"][..., ::step, ::step], found["strided"])


def test_a_dilated_bottleneck_resnet_is_torchvisions() -> None:
    from torchvision.models import resnet50

    torch.manual_seed(0)
    theirs = resnet50(replace_stride_with_dilation=[False, True, True], num_classes=10).eval()
    ours = build("resnet", depth=50, stem="imagenet", output_stride=8).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


def test_a_plain_resnet_has_no_way_around_its_blocks() -> None:
    """With the last layer of a block silenced nothing of the image gets through; with shortcuts it does."""
    for shortcuts in (True, False):
        network = build("resnet", shortcuts=shortcuts, image_size=64).eval()
        block = network.get_submodule("layer2.1")
        nn.init.zeros_(block.bn2.weight)
        images = torch.rand(2, 3, 64, 64)
        features = network.layer2(network.layer1(network.maxpool(network.relu(network.bn1(network.conv1(images))))))
        assert bool(features.any()) is shortcuts
    plain = build("resnet", shortcuts=False, depth=18, stem="imagenet")
    # ResNet-18's own, less the projections of three shortcuts: 1x1 filters and normalisation of two numbers a channel
    shortcut = sum(i * o + 2 * o for i, o in ((64, 128), (128, 256), (256, 512)))
    assert parameters(plain) == parameters(build("resnet", depth=18, stem="imagenet")) - shortcut


def test_compound_scaling_is_equation_3_of_the_paper() -> None:
    assert compound_scaling(0) == compound_scaling(0.0)
    found = compound_scaling(2)
    assert (found.depth, found.width) == pytest.approx((1.44, 1.21))
    assert found.image_size == 296  # 224 * 1.3225
    doubled = 1.2 * 1.1**2 * 1.15**2
    assert doubled == pytest.approx(2, abs=0.1)


def test_the_formula_gives_b0_and_grows_from_there() -> None:
    with torch.device("meta"):
        base = build("efficientnet", num_classes=1000, image_size=224, stem="imagenet")
        same = build("efficientnet", num_classes=1000, image_size=224, stem="imagenet", compound=0)
        larger = build("efficientnet", num_classes=1000, image_size=224, stem="imagenet", compound=1.5)
    assert {k: v.shape for k, v in same.state_dict().items()} == {k: v.shape for k, v in base.state_dict().items()}
    assert parameters(larger) > 1.5 * parameters(base)
    with pytest.raises(UserError, match=r"network\.compound=1 scales B0"):
        build("efficientnet", variant="b3", compound=1)
