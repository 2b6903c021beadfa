"""MobileNetV2 and V3 over torchvision.

Sandler et al.: MobileNetV2: inverted residuals and linear bottlenecks, CVPR 2018; Howard et al.: Searching for
MobileNetV3, ICCV 2019.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge
from torch import nn

from src.networks.strided import strided_network


def mobilenet(
    *,
    variant: Literal["v2", "v3_small", "v3_large"],
    stem: Literal["auto", "imagenet", "small"],
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
    **variation: Any,
) -> nn.Module:
    """Build a MobileNet: V2, or V3 small or large."""
    name = published_name(variant=variant)
    return strided_network(name, stem, weights, num_classes, in_channels, image_size, **variation)


def published_name(*, variant: str, **_: Any) -> str:
    """Return torchvision's name."""
    return f"mobilenet_{variant}"
