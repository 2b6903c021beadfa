"""ResNet over torchvision: any depth, any number of channels, stems for small images, dilated or plain.

He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016 (Table 1 has the depths, section 4.1 the
plain networks); Yu, Koltun, Funkhouser: Dilated residual networks, CVPR 2017 (section 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge
from torch import nn

from src.errors import UserError
from src.networks.input_layer import fit_input, kaiming_fan_out
from src.networks.published import finished, published_urls
from src.networks.stem import settled_stem

if TYPE_CHECKING:
    from torchvision.models import ResNet

BLOCKS = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3]}
"""Blocks per stage of the published depths."""
BOTTLENECKS_FROM = 50
"""The depth from which blocks are bottlenecks, of three layers; those of less deep networks have two."""


def resnet(
    *,
    depth: Annotated[int, Ge(1)],
    layers: list[int] | None,
    stem: Literal["auto", "imagenet", "medium", "small"],
    output_stride: Literal[32, 16, 8],
    shortcuts: bool,
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
    **variation: Any,
) -> nn.Module:
    """Build a ResNet.

    Of a depth that the paper lacks the blocks are spread over the stages (`stages`), unless `layers` gives those of
    each stage; `depth` then says whether they are basic (two layers each) or bottlenecks (three). With an
    `output_stride` of 16 or 8 the last one or two stages are dilated rather than strided: the same weights look at the
    same extent, on a map two or four times as large. Without `shortcuts` it is the plain network of section 4.1, which
    learns worse the deeper it is. Raises UserError where depth and layers contradict each other.
    """
    from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

    blocks, layers_per_block = stages(depth, layers)
    urls = published_urls(published_name(depth=depth, layers=layers))
    stem_name = settled_stem(stem, image_size, weights, urls)
    network = ResNet(BasicBlock if layers_per_block == 2 else Bottleneck, blocks, num_classes=num_classes)
    _set_stem(network, stem_name)
    if output_stride < 32:
        _dilate([network.layer3, network.layer4] if output_stride == 8 else [network.layer4])
    if not shortcuts:
        _cut_shortcuts(network)
    fit_input(network, in_channels, kaiming_fan_out)
    return finished(network, in_channels, image_size, weights, urls, stem=stem_name, **variation)


def published_name(*, depth: int, layers: list[int] | None, **_: Any) -> str | None:
    """Return torchvision's name, None for a depth of the user's own."""
    return f"resnet{depth}" if depth in BLOCKS and layers in (None, BLOCKS[depth]) else None


def stages(depth: int, layers: list[int] | None) -> tuple[list[int], int]:
    """Return the blocks of the four stages, and the layers of a block.

    The stem and the dense layer are counted too, so a depth is 2 + 2n or 2 + 3n for n blocks. Raises UserError for
    another, and where depth and layers contradict each other.
    """
    if layers is None:
        return BLOCKS.get(depth) or _spread(depth), 2 if depth < BOTTLENECKS_FROM else 3
    if len(layers) != 4 or min(layers) < 1:
        raise UserError(f"network.layers={layers}: expected four stages of at least one block, such as [1,1,1,1]")
    basic, bottleneck = (2 + layers_per_block * sum(layers) for layers_per_block in (2, 3))
    if depth not in (basic, bottleneck):
        raise UserError(
            f"network.layers={layers} makes {basic} layers of basic blocks or {bottleneck} of bottlenecks, and "
            f"network.depth is {depth}; type network.depth={basic} or network.depth={bottleneck}"
        )
    return layers, 2 if depth == basic else 3


def _spread(depth: int) -> list[int]:
    """Return the blocks per stage of a depth that the paper lacks: as many in each, and what is left over within.

    The stages in the middle get it, as they do in the published depths.
    """
    each = 2 if depth < BOTTLENECKS_FROM else 3
    blocks, rest = divmod(depth - 2, each)
    if rest or blocks < 4:
        below = max(4, (depth - 2) // each)
        near = f"{2 + each * below} or {2 + each * (below + 1)}" if blocks >= 4 else str(2 + each * 4)
        raise UserError(
            f"network.depth={depth}: a ResNet has a first and a last layer and, below {BOTTLENECKS_FROM} layers, at "
            f"least four blocks of two, from there of three; type network.depth={near}"
        )
    number, over = divmod(blocks, 4)
    return [number, number + (over > 1), number + (over > 0), number + (over > 2)]


def _dilate(stages: Sequence[nn.Module]) -> None:
    """Take the stride out of consecutive stages, and spread the filters behind each by as much.

    At every second position, or fourth, the map then has the values that it had before.
    """
    dilation = 1
    for stage in stages:
        for layer in stage.modules():
            if isinstance(layer, nn.Conv2d):
                strided, layer.stride = layer.stride != (1, 1), (1, 1)
                if layer.kernel_size == (3, 3):  # the one that strided still sees the map of the stage before
                    reach = dilation if strided else 2 * dilation
                    layer.dilation = layer.padding = (reach, reach)
        dilation *= 2


def _cut_shortcuts(network: nn.Module) -> None:
    """Make each block the sequence of its layers alone."""
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        assert isinstance(stage, nn.Sequential)
        for number, block in enumerate(stage):
            stage[number] = _without_shortcut(block)


def _without_shortcut(block: nn.Module) -> nn.Sequential:
    plain = nn.Sequential()
    for name, layer in block.named_children():
        if name not in ("downsample", "relu"):
            plain.add_module(name, layer)
            if name.startswith("bn"):
                plain.add_module(f"relu{name[2:]}", nn.ReLU(inplace=True))
    return plain


def _set_stem(network: ResNet, stem: str) -> None:
    """Replace the 7x7/2 convolution and the pooling, which together shrink by four, by a 3x3 convolution alone."""
    if stem == "imagenet":
        return
    stride = 2 if stem == "medium" else 1
    network.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=stride, padding=1, bias=False)
    kaiming_fan_out(network.conv1)
    network.maxpool = nn.Identity()
