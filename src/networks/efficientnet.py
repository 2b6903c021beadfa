"""EfficientNet and EfficientNetV2 over torchvision.

Tan, Le: EfficientNet: rethinking model scaling for convolutional neural networks, ICML 2019; EfficientNetV2: smaller
models and faster training, ICML 2021.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge
from torch import nn

from src.networks.strided import strided_network


def efficientnet(
    *,
    variant: Literal["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "v2_s", "v2_m", "v2_l"],
    stem: Literal["auto", "imagenet", "small"],
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
) -> nn.Module:
    """Build an EfficientNet, with the dropout and the stochastic depth of its variant."""
    return strided_network(published_name(variant=variant), stem, weights, num_classes, in_channels, image_size)


def published_name(*, variant: str, **_: Any) -> str:
    """Return torchvision's name."""
    return f"efficientnet_{variant}"
