"""VGG over torchvision, with or without batch normalisation.

Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition, ICLR 2015 (Table 1: columns A,
B, D and E have 11, 13, 16 and 19 layers).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt
from torch import nn

from src.errors import UserError
from src.networks.input_layer import fit_input, kaiming_fan_out
from src.networks.pooling import AdaptiveAveragePool
from src.networks.published import finished, published_urls


def vgg(
    *,
    depth: Literal[11, 13, 16, 19],
    batch_norm: bool,
    dropout: Annotated[float, Ge(0), Lt(1)],
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
    **variation: Any,
) -> nn.Module:
    """Build a VGG. Its dense layers see 7x7 maps whatever the image size: small ones are stretched, large averaged.

    Raises UserError where batch normalisation is asked for, and another, or none, in its place.
    """
    from torchvision.models import get_model

    normalization = variation.get("normalization", "as_published")
    if batch_norm and normalization not in ("as_published", "batch"):
        raise UserError(
            f"network.batch_norm=true and network.normalization={normalization} contradict each other; leave one away"
        )

    name = published_name(depth=depth, batch_norm=batch_norm)
    network = get_model(name, weights=None, num_classes=num_classes, dropout=dropout)
    network.avgpool = AdaptiveAveragePool(7, 7)
    fit_input(network, in_channels, kaiming_fan_out)
    return finished(network, in_channels, image_size, weights, published_urls(name), **variation)


def published_name(*, depth: int, batch_norm: bool, **_: Any) -> str:
    """Return torchvision's name."""
    return f"vgg{depth}_bn" if batch_norm else f"vgg{depth}"
