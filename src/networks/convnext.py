"""ConvNeXt over torchvision.

Liu et al.: A ConvNet for the 2020s, CVPR 2022.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt
from torch import nn

from src.networks.input_layer import fit_input
from src.networks.published import finished, published_urls
from src.networks.stem import settled_stem


def convnext(
    *,
    variant: Literal["tiny", "small", "base", "large"],
    stem: Literal["auto", "imagenet", "small"],
    dropout: Annotated[float, Ge(0), Lt(1)] | None,
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
) -> nn.Module:
    """Build a ConvNeXt, whose stem cuts the image into patches: of 4x4 px, or of 2x2 with the small stem."""
    from torchvision.models import get_model

    name = published_name(variant=variant)
    urls = published_urls(name)
    settled = settled_stem(stem, image_size, weights, urls)
    network = get_model(name, weights=None, num_classes=num_classes)
    if settled == "small":
        patches = nn.Conv2d(3, network.features[0][0].out_channels, kernel_size=2, stride=2)
        _init(patches)
        network.features[0][0] = patches
    fit_input(network, in_channels, _init)
    return finished(network, in_channels, image_size, weights, urls, dropout=dropout, stem=settled)


def published_name(*, variant: str, **_: Any) -> str:
    """Return torchvision's name."""
    return f"convnext_{variant}"


def _init(conv: nn.Conv2d) -> None:
    """Initialise as torchvision does all of this network's layers."""
    nn.init.trunc_normal_(conv.weight, std=0.02)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
