"""GoogLeNet as published: 5x5 filters, no normalisation of batches, two intermediate classifiers.

Szegedy et al.: Going deeper with convolutions, CVPR 2015 (Table 1; Figure 3, and section 5 for the classifiers). Names
of the parts are torchvision's, whose network of that name has 3x3 filters in place of 5x5, and batch normalisation.

The module of the chapter's Figure 6.13 maps 192x28x28 to 256x28x28: 64 + 128 + 32 + 32 maps. The chapter's text gives
the fourth path 192 channels, which would make 416; Table 1 has 32. With 1000 classes there are 6,998,552 parameters on
the way to the main output, 6,990,272 of them weights: the 6.8M of the chapter are 6,826 x 1,024.

The paper gives no numbers for its response normalisation. Here they are Caffe's, k=1 and an alpha of 1e-4 for the mean
of the squares, which torch takes too; AlexNet's own are stronger (`response_normalization`).
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch.nn import functional as F

from src.errors import UserError
from src.networks.pooling import AdaptiveAveragePool
from src.networks.published import finished

MODULES = {  # Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, behind the pooling
    "3a": (192, (64, 96, 128, 16, 32, 32)),
    "3b": (256, (128, 128, 192, 32, 96, 64)),
    "4a": (480, (192, 96, 208, 16, 48, 64)),
    "4b": (512, (160, 112, 224, 24, 64, 64)),
    "4c": (512, (128, 128, 256, 24, 64, 64)),
    "4d": (512, (112, 144, 288, 32, 64, 64)),
    "4e": (528, (256, 160, 320, 32, 128, 128)),
    "5a": (832, (256, 160, 320, 32, 128, 128)),
    "5b": (832, (384, 192, 384, 48, 128, 128)),
}

PUBLISHED = (14, 14)
"""The size of the maps that the intermediate classifiers see where the image has 224 px."""


def convolution(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution that keeps the size, or divides it by `stride`, and a ReLU."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2)
    return nn.Sequential(conv, nn.ReLU(inplace=True))


class Inception(nn.Module):
    """Four paths side by side: (B, C, H, W) to (B, sum of their widths, H, W)."""

    def __init__(self, in_channels: int, widths: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        one, reduce_three, three, reduce_five, five, pooled = widths
        self.branch1 = convolution(in_channels, one, 1)
        self.branch2 = nn.Sequential(convolution(in_channels, reduce_three, 1), convolution(reduce_three, three, 3))
        self.branch3 = nn.Sequential(convolution(in_channels, reduce_five, 1), convolution(reduce_five, five, 5))
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1), convolution(in_channels, pooled, 1)
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the paths' maps, one behind the other."""
        return torch.cat([self.branch1(x_BCHW), self.branch2(x_BCHW), self.branch3(x_BCHW), self.branch4(x_BCHW)], 1)


class IntermediateClassifier(nn.Module):
    """Maps (B, C, H, W) of an inner module to logits; only training needs it."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.pool = AdaptiveAveragePool(4, 4)
        self.conv = convolution(in_channels, 128, 1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the logits."""
        # at the published size, 224 px, the windows are the paper's, which overlap less than adaptive ones do
        pooled = F.avg_pool2d(x_BCHW, 5, stride=3) if x_BCHW.shape[-2:] == PUBLISHED else self.pool(x_BCHW)
        hidden = self.fc1(self.conv(pooled).flatten(1)).relu()
        logits: Tensor = self.fc2(self.dropout(hidden))
        return logits


class GoogLeNetOutputs(NamedTuple):
    """What training is given: logits (B, classes) of the main and of the two intermediate classifiers."""

    logits: Tensor
    aux_logits2: Tensor | None
    aux_logits1: Tensor | None


class GoogLeNet(nn.Module):
    """Images (B, C, H, W) to logits (B, classes), or GoogLeNetOutputs while training with `auxiliary`."""

    def __init__(self, *, auxiliary: bool, dropout: float, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv1 = convolution(in_channels, 64, 7, stride=2)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.norm1 = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1)
        self.conv2 = convolution(64, 64, 1)
        self.conv3 = convolution(64, 192, 3)
        self.norm2 = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a, self.inception3b = self._module("3a"), self._module("3b")
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a, self.inception4b = self._module("4a"), self._module("4b")
        self.inception4c, self.inception4d = self._module("4c"), self._module("4d")
        self.inception4e = self._module("4e")
        self.maxpool4 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception5a, self.inception5b = self._module("5a"), self._module("5b")
        self.aux1 = IntermediateClassifier(512, num_classes) if auxiliary else None
        self.aux2 = IntermediateClassifier(528, num_classes) if auxiliary else None
        self.avgpool = AdaptiveAveragePool(1, 1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)  # without normalisation, small weights would never be heard
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    @staticmethod
    def _module(name: str) -> Inception:
        return Inception(*MODULES[name])

    def forward(self, images: Tensor) -> Tensor | GoogLeNetOutputs:
        """Return the logits, with those of the intermediate classifiers while training."""
        maps = self.norm1(self.maxpool1(self.conv1(images)))
        maps = self.maxpool2(self.norm2(self.conv3(self.conv2(maps))))
        maps = self.maxpool3(self.inception3b(self.inception3a(maps)))
        first = maps = self.inception4a(maps)
        second = maps = self.inception4d(self.inception4c(self.inception4b(maps)))
        maps = self.maxpool4(self.inception4e(maps))
        maps = self.avgpool(self.inception5b(self.inception5a(maps)))
        logits: Tensor = self.fc(self.dropout(maps.flatten(1)))
        if not self.training or self.aux1 is None or self.aux2 is None:
            return logits
        return GoogLeNetOutputs(logits, self.aux2(second), self.aux1(first))


def googlenet(
    *,
    auxiliary: bool,
    dropout: Annotated[float, Ge(0), Lt(1)],
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
    **variation: Any,
) -> nn.Module:
    """Build GoogLeNet, new or from a file. Raises UserError for torchvision's weights, which are of another network."""
    if weights is not None and weights.startswith("IMAGENET"):
        raise UserError(
            f"network.weights={weights} belong to torchvision's network, which has batch normalisation and 3x3 filters "
            "in place of 5x5; type model=googlenet_bn"
        )
    network = GoogLeNet(auxiliary=auxiliary, dropout=dropout, num_classes=num_classes, in_channels=in_channels)
    ignore = () if auxiliary else ("aux1.", "aux2.")
    return finished(network, in_channels, image_size, weights, {}, ignore, **variation)
