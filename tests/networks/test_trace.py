"""Layer tables, against the chapter's and the papers' numbers and torch's own counts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from src.networks.arithmetic import LayerCounts, output_size, parameter_count
from src.networks.trace import trace
from tests.networks.building import SMALL_FAMILIES, build, parameters

TABLE_6_1 = [  # kind, output, learned parameters; VGG19 on 224 px
    ("convolution", (64, 224, 224), 1_792),
    ("convolution", (64, 224, 224), 36_928),
    ("pooling", (64, 112, 112), 0),
    ("convolution", (128, 112, 112), 73_856),
    ("convolution", (128, 112, 112), 147_584),
    ("pooling", (128, 56, 56), 0),
    ("convolution", (256, 56, 56), 295_168),
    *[("convolution", (256, 56, 56), 590_080)] * 3,
    ("pooling", (256, 28, 28), 0),
    ("convolution", (512, 28, 28), 1_180_160),
    *[("convolution", (512, 28, 28), 2_359_808)] * 3,
    ("pooling", (512, 14, 14), 0),
    *[("convolution", (512, 14, 14), 2_359_808)] * 4,
    ("pooling", (512, 7, 7), 0),
    ("dense", (4096,), 102_764_544),
    ("dense", (4096,), 16_781_312),
    ("dense", (1000,), 4_097_000),
]


def on_meta(family: str, size: int = 224, classes: int = 1000, **options: object) -> nn.Module:
    with torch.device("meta"):
        return build(family, num_classes=classes, image_size=size, **options)


def test_vgg19_is_table_6_1_line_by_line() -> None:
    found = trace(on_meta("vgg19"), 3, 224, 224)
    assert [(layer.kind, layer.output, layer.parameters) for layer in found.layers] == TABLE_6_1
    assert found.parameters == 143_667_240
    assert sum(layer.neurons for layer in found.layers) == 16_391_656
    assert found.counts == LayerCounts(convolutions=16, dense=3, pooling=5)
    assert (found.counts.trained, found.counts.total) == (19, 24)


@pytest.mark.parametrize(
    ("family", "options", "count", "path"),
    [  # the papers' counts of layers; parameters as torchvision documents them, or by hand from the papers
        ("alexnet", {}, 61_100_840, 8),
        ("resnet", {"depth": 18, "stem": "imagenet"}, 11_689_512, 18),
        ("resnet", {"depth": 50, "stem": "imagenet"}, 25_557_032, 50),
        ("resnet", {"depth": 152, "stem": "imagenet"}, 60_192_808, 152),
        ("squeezenet", {"version": 1.0}, 1_248_424, 18),
        ("googlenet_bn", {"auxiliary": False}, 6_624_904, 22),
        ("googlenet", {"auxiliary": True}, 6_998_552, 22),
        ("alexnet", {"streams": 2}, 60_965_224, 8),
        ("zfnet", {}, 62_357_608, 8),
        ("nin", {"stem": "imagenet"}, 7_595_176, 12),
    ],
)
def test_parameters_and_depths_of_the_papers(family: str, options: dict[str, object], count: int, path: int) -> None:
    found = trace(on_meta(family, **options), 3, 224, 224)
    assert (found.parameters, found.longest_path) == (count, path)


@pytest.mark.parametrize("family", SMALL_FAMILIES)
def test_every_parameter_of_every_family_is_counted_once(family: str) -> None:
    network = on_meta(family, size=64, classes=10, **SMALL_FAMILIES[family])
    found = trace(network, 3, 64, 64)
    assert found.parameters + found.unused_parameters == parameters(network)
    assert found.unused_parameters == 0 or family.startswith("googlenet")
    assert found.layers[-1].output[0] == 10


@pytest.mark.parametrize("kind", ["none", "batch", "group", "group_chapter"])
@pytest.mark.parametrize("family", ["resnet", "lenet", "mobilenet", "bn_inception"])
def test_every_parameter_of_a_varied_network_takes_part(family: str, kind: str) -> None:
    """The chapter's group normalisation repeats each gamma over its group before it is applied."""
    network = on_meta(family, size=64, classes=10, normalization=kind, reduction=7, **SMALL_FAMILIES[family])
    found = trace(network, 3, 64, 64)
    assert (found.parameters, found.unused_parameters) == (parameters(network), 0)


def test_what_is_made_of_parameters_counts_where_it_is_applied() -> None:
    class Standardized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.scale = nn.Conv2d(3, 4, 3), nn.Parameter(torch.ones(4))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            weight = self.conv.weight - self.conv.weight.mean((1, 2, 3), keepdim=True)
            return nn.functional.conv2d(images, weight * self.scale.view(4, 1, 1, 1), self.conv.bias)

    found = trace(Standardized(), 3, 8, 8)
    assert [(layer.kind, layer.parameters) for layer in found.layers] == [("convolution", 3 * 4 * 9 + 4 + 4)]
    assert found.unused_parameters == 0


def test_a_mean_over_channels_is_no_pooling() -> None:
    class Mean(nn.Module):
        def __init__(self, dims: object, keepdim: bool) -> None:
            super().__init__()
            self.conv, self.dims, self.keepdim = nn.Conv2d(3, 4, 3), dims, keepdim

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps: torch.Tensor = self.conv(images)
            return maps.mean(self.dims, keepdim=self.keepdim)  # type: ignore[call-overload, no-any-return]

    for dims, kinds, rows in ((1, [], 6), ((2, 3), ["adaptive pooling"], 1), (-1, [], 6)):
        found = trace(Mean(dims, keepdim=True), 3, 8, 8)
        assert [layer.kind for layer in found.layers] == ["convolution", *kinds]
        assert len(found.fields[""].rows.first) == rows
    squeezed = trace(Mean(1, keepdim=False), 3, 8, 8)
    assert squeezed.fields[""].box(2, 4) == (4, 2, 7, 5)  # a 3x3 filter's


def test_costs_of_vgg16_and_resnet50_are_those_of_the_literature() -> None:
    vgg = trace(on_meta("vgg19", depth=16), 3, 224, 224)
    assert sum(layer.multiply_adds for layer in vgg.layers) == 15_470_264_320  # 15.5 billion (He et al. 2016: 15.3)
    resnet = trace(on_meta("resnet", depth=50, stem="imagenet"), 3, 224, 224)
    assert sum(layer.multiply_adds for layer in resnet.layers) == 4_089_184_256  # 4.09 GMACs as torchvision publishes


def test_the_largest_networks_are_followed_without_their_weights() -> None:
    found = trace(on_meta("efficientnet", size=600, variant="b7"), 3, 600, 600)
    assert found.parameters == 66_347_960
    large = trace(on_meta("vgg19", size=1024), 3, 1024, 1024)
    assert large.layers[0].output == (64, 1024, 1024)


def test_tracing_leaves_the_network_as_it_was() -> None:
    network = build("resnet", image_size=32).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trace(network, 3, 32, 32)
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize(
    "options", [(7, 3, 2, 1, 1), (224, 11, 4, 4, 1), (32, 5, 0, 1, 2), (9, 2, 1, 3, 3), (5, 5, 0, 1, 1)]
)
def test_output_size_is_torchs(options: tuple[int, int, int, int, int]) -> None:
    size, kernel, padding, stride, dilation = options
    image = torch.zeros(1, 1, size + padding, size + padding)  # the total of both sides
    expected = nn.Conv2d(1, 1, kernel, stride=stride, dilation=dilation)(image).shape[-1]
    assert output_size(size, kernel, padding=padding, stride=stride, dilation=dilation) == expected


def test_a_stride_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="the default is 1"):
        output_size(224, 3, stride=0)
    with pytest.raises(ValueError, match="does not fit"):
        output_size(4, 3, dilation=2)


def test_parameter_count_is_torchs_and_the_text_is_wrong_about_depth_reduction() -> None:
    layer = nn.Conv2d(512, 8, 1)
    assert parameter_count((1, 1), 512, 8) == parameters(layer) == 4_104
    assert parameter_count((3, 5), 7, 4, bias=False) == parameters(nn.Conv2d(7, 4, (3, 5), bias=False)) == 420
