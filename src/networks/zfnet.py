"""ZFNet: AlexNet after its authors had looked inside it, with finer filters and a smaller stride at the input.

Zeiler, Fergus: Visualizing and understanding convolutional networks, ECCV 2014 (Figure 3).

    1  7x7/2, 96 maps    3x3/2 maximum, contrast normalisation
    2  5x5/2, 256        3x3/2 maximum, contrast normalisation
    3  3x3, 384
    4  3x3, 384
    5  3x3, 256          3x3/2 maximum
    6  dense, 4096       dropout
    7  dense, 4096       dropout
    8  dense, one output per class

At 224 px that makes 62,357,608 parameters for 1000 classes. The contrast normalisation, of which the paper gives no
numbers, is AlexNet's.
"""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge, Lt
from torch import Tensor, nn

from src.networks.pooling import AdaptiveAveragePool
from src.networks.published import finished
from src.networks.response_normalization import ResponseNormalization


class ZFNet(nn.Module):
    """Images (B, C, H, W) to logits (B, classes). The dense layers see 6x6 maps whatever the image size."""

    def __init__(self, *, dropout: float, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 96, kernel_size=7, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
            ResponseNormalization(),
            nn.Conv2d(96, 256, kernel_size=5, stride=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
            ResponseNormalization(),
            nn.Conv2d(256, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = AdaptiveAveragePool(6, 6)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.avgpool(self.features(images)))
        return logits


def zfnet(
    *,
    dropout: Annotated[float, Ge(0), Lt(1)],
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
    **variation: Any,
) -> nn.Module:
    """Build ZFNet, new or from a file; its authors' weights are not to be had."""
    network = ZFNet(dropout=dropout, num_classes=num_classes, in_channels=in_channels)
    return finished(network, in_channels, image_size, weights, {}, **variation)
