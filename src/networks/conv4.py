"""Conv-4, the small network in which images are told apart by few examples.

Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra: Matching networks for one shot learning, NeurIPS 2016, section 4.1;
Snell, Swersky, Zemel: Prototypical networks for few-shot learning, NeurIPS 2017, section 3.

    four times: 3x3 convolution, 64 maps, batch normalisation, ReLU, 2x2 maximum
    output, dense: one number per class, or an embedding

The papers take the last maps as they are; the dense layer over all of them is where an embedding gets its dimension.
For 64x64 grey images and 64 outputs that makes 177,280 parameters. Widths of 16, 32, 64 and 128 take half the time at
that size: the first maps are the large ones.
"""

from __future__ import annotations

import itertools
from typing import Annotated, Any

from annotated_types import Ge, Interval, MinLen
from torch import Tensor, nn

from src.errors import UserError
from src.networks.published import finished


class Conv4(nn.Module):
    """Images (B, C, H, W) to (B, outputs); each side is halved by every block, rounding down."""

    def __init__(self, *, widths: list[int], dropout: float, outputs: int, in_channels: int, image_size: int) -> None:
        super().__init__()
        channels = [in_channels, *widths]
        self.features = nn.Sequential(*(block(before, after) for before, after in itertools.pairwise(channels)))
        side = image_size // 2 ** len(widths)
        dense = nn.Linear(widths[-1] * side * side, outputs)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), dense)

    def forward(self, images: Tensor) -> Tensor:
        """Return the outputs."""
        outputs: Tensor = self.classifier(self.features(images))
        return outputs


def block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return convolution, normalisation, ReLU and pooling."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )


def conv4(
    *,
    widths: Annotated[list[Annotated[int, Ge(1)]], MinLen(1)],
    dropout: Annotated[float, Interval(ge=0, lt=1)],
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
    **variation: Any,
) -> nn.Module:
    """Build Conv-4, new or from a file. Raises UserError for images of which the pooling leaves nothing."""
    smallest = 2 ** len(widths)
    if image_size < smallest:
        raise UserError(
            f"Conv-4 halves an image {len(widths)} times: it needs at least {smallest} px, found "
            f"data.image_size={image_size}; type data.image_size={smallest}"
        )
    network = Conv4(
        widths=widths, dropout=dropout, outputs=num_classes, in_channels=in_channels, image_size=image_size
    )  # fmt: skip
    return finished(network, in_channels, image_size, weights, {}, **variation)
