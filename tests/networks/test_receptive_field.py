"""Receptive fields, against the gradients of the networks themselves and against numbers from the literature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from src.networks.receptive_field import Axis
from src.networks.trace import trace
from tests.networks.building import build


def depthwise() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1),
        nn.Conv2d(6, 6, (3, 5), padding=(0, 2), groups=6),
        nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        nn.ZeroPad2d((1, 2, 0, 1)),
        nn.ConvTranspose2d(6, 4, 4, stride=2, padding=1),
        nn.Conv2d(4, 4, 2, dilation=3),
    )


def bordered() -> nn.Module:
    return nn.Sequential(
        nn.ReflectionPad2d((3, 2, 3, 1)),
        nn.Conv2d(3, 4, 3),
        nn.Conv2d(4, 4, 3, stride=2, padding=1, padding_mode="reflect"),
        nn.ReplicationPad2d(2),
        nn.Conv2d(4, 4, 3),
    )


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "resnet18": (lambda: build("resnet", stem="imagenet"), 72),
    "googlenet": (lambda: build("googlenet", auxiliary=False), 56),
    "googlenet_bn": (lambda: build("googlenet_bn", auxiliary=False), 56),
    "vgg19": (lambda: build("vgg19", depth=19).get_submodule("features"), 40),
    "dilated resnet": (lambda: build("resnet", depth=50, stem="imagenet", output_stride=8), 40),
    "squeezenet": (lambda: build("squeezenet", version=1.1), 56),
    "lenet": (lambda: build("lenet", image_size=28), 28),
    "depthwise": (depthwise, 41),
    "reflected borders": (bordered, 17),
}


def with_positive_weights(network: nn.Module) -> nn.Module:
    """Averages in place of maxima and weights above zero, so that no gradient cancels or is cut off."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.MaxPool2d):
                pool = nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode)
                setattr(module, name, pool)
    network = network.double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            fan = max(1, parameter[0].numel()) if parameter.ndim > 1 else 1
            parameter.copy_((torch.rand_like(parameter) + 0.5) / fan)
    return network


def maps_of(network: nn.Module, image: Tensor) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}

    def note(name: str) -> Callable[..., None]:
        return lambda _module, _inputs, output: found.update({name: output})

    for name, module in network.named_modules():
        module.register_forward_hook(note(name))
    network(image)
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_fields_are_the_bounding_boxes_of_gradients(name: str) -> None:
    make, size = NETWORKS[name]
    network = with_positive_weights(make())
    fields = trace(network, _channels(network), size, size).fields
    image = torch.rand(1, _channels(network), size, size, dtype=torch.double, requires_grad=True)
    maps = {key: value for key, value in maps_of(network, image).items() if key in fields}
    assert len(maps) > 4
    for key, output in maps.items():
        height, width = output.shape[-2:]
        assert (len(fields[key].rows.first), len(fields[key].columns.first)) == (height, width), key
        for row, column in {(0, 0), (height // 2, width // 2), (height - 1, width // 3)}:
            (gradient,) = torch.autograd.grad(output[0, :, row, column].sum(), image, retain_graph=True)
            lit = (gradient[0] != 0).any(0)
            rows, columns = lit.any(1).nonzero().flatten(), lit.any(0).nonzero().flatten()
            if not len(rows):  # it sees padding alone
                left, top, right, bottom = fields[key].box(row, column)
                assert left == right or top == bottom, (key, row, column)
                continue
            box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
            assert fields[key].box(row, column) == box, (key, row, column)


def _channels(network: nn.Module) -> int:
    return int(next(iter(network.parameters())).shape[1])


@pytest.mark.parametrize(
    ("family", "options", "layer", "size", "stride"),
    [  # Araujo, Norris and Sim 2019; ResNet-50 there strides in its 1x1 filters (483 px), torchvision in the 3x3
        ("vgg19", {"depth": 16}, "features", 212, 32),
        ("resnet", {"depth": 18, "stem": "imagenet"}, "layer4", 435, 32),
        ("resnet", {"depth": 34, "stem": "imagenet"}, "layer4", 899, 32),
        ("resnet", {"depth": 50, "stem": "imagenet"}, "layer4", 427, 32),
        ("alexnet", {}, "features", 195, 32),
    ],
)
def test_sizes_known_from_the_literature(
    family: str, options: dict[str, Any], layer: str, size: int, stride: int
) -> None:
    with torch.device("meta"):
        network = build(family, **options, image_size=224)
    field = trace(network, 3, 224, 224).fields[layer]
    assert (field.rows.size, field.rows.stride) == (size, stride)


def test_a_unit_that_sees_padding_alone_has_an_empty_field() -> None:
    behind = Axis.of_image(4).filtered(length=4, kernel=1, stride=2, padding=2, dilation=1)
    assert behind.first.tolist() == [0, 0, 2, 0]
    assert behind.last.tolist() == [-1, 0, 2, -1]


def test_a_border_from_the_other_side_sees_the_other_side() -> None:
    fields = trace(nn.Sequential(nn.CircularPad2d(2), nn.Conv2d(1, 1, 1)), 1, 5, 5).fields
    assert fields["1"].rows.first.tolist() == [3, 4, 0, 1, 2, 3, 4, 0, 1]


def test_where_branches_meet_the_field_reaches_over_both() -> None:
    image = Axis.of_image(9)
    near = image.filtered(length=9, kernel=1, stride=1, padding=0, dilation=1)
    wide = image.filtered(length=9, kernel=5, stride=1, padding=2, dilation=1)
    both = near.joined(wide)
    assert both.first.tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6]
    assert both.last.tolist() == [2, 3, 4, 5, 6, 7, 8, 8, 8]
    assert (both.size, both.stride, both.offset) == (5, 1, -2)
