"""SqueezeNet over torchvision.

Iandola et al.: SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and < 0.5 MB model size, 2016; version 1.1
is the authors' later one, with a fraction of the arithmetic for the same accuracy.
"""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge, Le, Lt
from torch import nn

from src.errors import UserError
from src.networks.input_layer import fit_input
from src.networks.published import finished, published_urls


def squeezenet(
    *,
    version: Annotated[float, Ge(1), Le(1.1)],
    dropout: Annotated[float, Ge(0), Lt(1)],
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
    **variation: Any,
) -> nn.Module:
    """Build SqueezeNet. It has no dense layer: its head is a convolution, averaged over the image.

    Raises UserError for a version that there is not.
    """
    from torchvision.models import get_model

    name = published_name(version=version)
    network = get_model(name, weights=None, num_classes=num_classes, dropout=dropout)
    fit_input(network, in_channels, _init)
    return finished(network, in_channels, image_size, weights, published_urls(name), **variation)


def published_name(*, version: float, **_: Any) -> str:
    """Return torchvision's name."""
    if version not in (1.0, 1.1):
        raise UserError(f"network.version={version}: SqueezeNet has versions 1.0 and 1.1")
    return "squeezenet1_0" if version == 1.0 else "squeezenet1_1"


def _init(conv: nn.Conv2d) -> None:
    """Initialise as torchvision does all of this network's convolutions but the head."""
    nn.init.kaiming_uniform_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
