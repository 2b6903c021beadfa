"""What EfficientNet and MobileNet share: their published stem is one 3x3 convolution with stride 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from src.networks.input_layer import first_conv_name, fit_input, kaiming_fan_out
from src.networks.published import finished, published_urls
from src.networks.stem import settled_stem


def strided_network(
    name: str, stem: str, weights: str | None, num_classes: int, in_channels: int, image_size: int, **variation: Any
) -> nn.Module:
    """Build torchvision's `name`; the small stem is the published one at stride 1, for maps twice as large throughout.

    Raises UserError where the stem, the image size and the weights do not fit together.
    """
    from torchvision.models import get_model

    urls = published_urls(name)
    network = get_model(name, weights=None, num_classes=num_classes)
    return strided(network, stem, weights, urls, in_channels, image_size, **variation)


def strided(
    network: nn.Module,
    stem: str,
    weights: str | None,
    urls: Mapping[str, str],
    in_channels: int,
    image_size: int,
    **variation: Any,
) -> nn.Module:
    """Return a network of such a stem, new, with the stem, the input channels and the weights that were asked for."""
    settled = settled_stem(stem, image_size, weights, urls)
    first = network.get_submodule(first_conv_name(network) or "")
    if settled == "small" and isinstance(first, nn.Conv2d):
        first.stride = (1, 1)
    fit_input(network, in_channels, kaiming_fan_out)
    return finished(network, in_channels, image_size, weights, urls, **variation)
