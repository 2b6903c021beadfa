"""GoogLeNet over torchvision: with batch normalisation, and 3x3 convolutions where the paper has 5x5.

Szegedy et al.: Going deeper with convolutions, CVPR 2015 (Table 1, and Section 5 for the auxiliary classifiers).
"""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge, Lt
from torch import Tensor, nn

from src.networks.input_layer import fit_input
from src.networks.pooling import AdaptiveAveragePool
from src.networks.published import finished, published_urls


def googlenet_bn(
    *,
    auxiliary: bool,
    dropout: Annotated[float, Ge(0), Lt(1)],
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
    **variation: Any,
) -> nn.Module:
    """Build GoogLeNet; with `auxiliary` it returns torchvision's GoogLeNetOutputs while it trains, else logits.

    torchvision converts the input of its published weights inside the network (`transform_input`), from ImageNet's
    normalisation to [-1, 1]. Here the network is the same whatever its weights, and `src.networks.preprocessing` says
    what these weights were trained on, mean and deviation 0.5: the same numbers reach the first layer, for any number
    of channels. The published auxiliary classifiers are untrained.
    """
    from torchvision.models.googlenet import BasicConv2d, GoogLeNet, Inception

    network = GoogLeNet(
        num_classes=num_classes,
        aux_logits=auxiliary,
        transform_input=False,
        init_weights=True,
        blocks=[BasicConv2d, Inception, Auxiliary],
        dropout=dropout,
    )
    fit_input(network, in_channels, _init)
    ignore = () if auxiliary else ("aux1.", "aux2.")
    return finished(network, in_channels, image_size, weights, published_urls(published_name()), ignore, **variation)


def published_name(**_: Any) -> str:
    """Return torchvision's name."""
    return "googlenet"


class Auxiliary(nn.Module):
    """An intermediate classifier: features (B, C, H, W) to logits, under the names of torchvision's InceptionAux.

    It pools deterministically on every device, which torchvision's does not.
    """

    def __init__(self, in_channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        from torchvision.models.googlenet import BasicConv2d

        self.pool = AdaptiveAveragePool(4, 4)
        self.conv = BasicConv2d(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the logits."""
        hidden = self.fc1(self.conv(self.pool(x_BCHW)).flatten(1)).relu()
        logits: Tensor = self.fc2(self.dropout(hidden))
        return logits


def _init(conv: nn.Conv2d) -> None:
    """Initialise as torchvision does all of this network's convolutions, which have no biases."""
    nn.init.trunc_normal_(conv.weight, std=0.01, a=-2, b=2)
