"""EfficientNet and EfficientNetV2 over torchvision.

Tan, Le: EfficientNet: rethinking model scaling for convolutional neural networks, ICML 2019; EfficientNetV2: smaller
models and faster training, ICML 2021.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge
from torch import nn

from src.errors import UserError
from src.networks.strided import strided, strided_network

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15
"""How depth, width and resolution grow with the compound coefficient: alpha * beta^2 * gamma^2 is about 2."""


@dataclass(frozen=True)
class Scaling:
    """What a compound coefficient makes of B0: factors on its depth and width, and the image size in pixels."""

    depth: float
    width: float
    image_size: int


def compound_scaling(coefficient: float) -> Scaling:
    """Return the scaling of the EfficientNet paper, equation (3); B0 is the coefficient 0, on 224 px.

    The published B1 to B7 follow it only roughly: their factors are rounded, and their image sizes chosen.
    """
    return Scaling(ALPHA**coefficient, BETA**coefficient, round(224 * GAMMA**coefficient))


def efficientnet(
    *,
    compound: Annotated[float, Ge(0)] | None,
    variant: Literal["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "v2_s", "v2_m", "v2_l"],
    stem: Literal["auto", "imagenet", "small"],
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
    **variation: Any,
) -> nn.Module:
    """Build an EfficientNet, with the dropout and the stochastic depth of its variant.

    A `compound` coefficient scales B0 by the paper's formula instead; the images' size stays the data's, and what the
    formula says of it is `compound_scaling(...).image_size`. Raises UserError where a variant other than B0 is scaled.
    """
    if compound is None:
        name = f"efficientnet_{variant}"
        return strided_network(name, stem, weights, num_classes, in_channels, image_size, **variation)
    if variant != "b0":
        raise UserError(f"network.compound={compound} scales B0: type network.variant=b0, or leave one of the two out")
    network = _scaled(compound_scaling(compound), num_classes)
    return strided(network, stem, weights, {}, in_channels, image_size, **variation)


def published_name(*, variant: str, compound: float | None = None, **_: Any) -> str | None:
    """Return torchvision's name, None for a network of the formula."""
    return f"efficientnet_{variant}" if compound is None else None


def _scaled(scaling: Scaling, num_classes: int) -> nn.Module:
    """Return B0 (Table 1 of the paper) with other widths and depths, on torchvision's blocks."""
    from torchvision.models.efficientnet import EfficientNet, MBConvConfig

    stages = [  # expansion, kernel, stride, input and output channels, layers
        *((1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3)),
        *((6, 5, 1, 80, 112, 3), (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1)),
    ]
    settings = [MBConvConfig(*stage, width_mult=scaling.width, depth_mult=scaling.depth) for stage in stages]
    last = MBConvConfig.adjust_channels(320, scaling.width) * 4
    # 0.2 for B0, and 0.1 more for each doubling of the arithmetic and a half, as the published variants have it.
    dropout = min(0.5, 0.2 + 0.1 * math.log(scaling.depth, ALPHA) / 2)
    network: nn.Module = EfficientNet(settings, dropout=dropout, num_classes=num_classes, last_channel=last)
    return network
