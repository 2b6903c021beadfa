"""AlexNet over torchvision, in its form for one device.

Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural networks, NeurIPS 2012; the form
without two halves is Krizhevsky: One weird trick for parallelizing convolutional neural networks, 2014.
"""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge, Lt
from torch import nn

from src.networks.input_layer import fit_input
from src.networks.pooling import AdaptiveAveragePool
from src.networks.published import finished, published_urls


def alexnet(
    *,
    dropout: Annotated[float, Ge(0), Lt(1)],
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
) -> nn.Module:
    """Build AlexNet. Its dense layers see 6x6 maps whatever the image size: smaller maps are stretched."""
    from torchvision.models import AlexNet

    network = AlexNet(num_classes=num_classes, dropout=dropout)
    network.avgpool = AdaptiveAveragePool(6, 6)
    fit_input(network, in_channels, nn.Conv2d.reset_parameters)  # torch's own, as in the rest of torchvision's AlexNet
    return finished(network, in_channels, image_size, weights, published_urls(published_name()))


def published_name(**_: Any) -> str:
    """Return torchvision's name."""
    return "alexnet"
