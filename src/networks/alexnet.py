"""AlexNet: as published, in two streams that see each other only in places, and torchvision's form in one.

Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural networks, NeurIPS 2012 (Figure 2);
the form in one stream, with fewer maps and no response normalisation, is Krizhevsky: One weird trick for parallelizing
convolutional neural networks, 2014.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt
from torch import Tensor, nn

from src.errors import UserError
from src.networks.input_layer import fit_input
from src.networks.pooling import AdaptiveAveragePool
from src.networks.published import finished, published_urls
from src.networks.response_normalization import ResponseNormalization


def alexnet(
    *,
    streams: Literal[1, 2],
    dropout: Annotated[float, Ge(0), Lt(1)],
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
    **variation: Any,
) -> nn.Module:
    """Build AlexNet. Its dense layers see 6x6 maps whatever the image size: smaller maps are stretched.

    Raises UserError for torchvision's weights in two streams.
    """
    if streams == 2:
        if weights is not None and weights.startswith("IMAGENET"):
            raise UserError(f"network.weights={weights} belong to network.streams=1, torchvision's form; type that")
        two = TwoStreamAlexNet(dropout=dropout, num_classes=num_classes, in_channels=in_channels)
        return finished(two, in_channels, image_size, weights, {}, **variation)
    from torchvision.models import AlexNet

    network = AlexNet(num_classes=num_classes, dropout=dropout)
    network.avgpool = AdaptiveAveragePool(6, 6)
    fit_input(network, in_channels, nn.Conv2d.reset_parameters)  # torch's own, as in the rest of torchvision's AlexNet
    return finished(network, in_channels, image_size, weights, published_urls(published_name()), **variation)


def published_name(*, streams: int = 1, **_: Any) -> str | None:
    """Return torchvision's name, None for the network in two streams."""
    return "alexnet" if streams == 1 else None


class TwoStreamAlexNet(nn.Module):
    """Images (B, C, H, W) to logits (B, classes), 60,965,224 parameters for 3 channels and 1000 classes.

    The second, fourth and fifth convolutions are in two groups: each stream sees the maps of its own device alone. The
    third convolution and the dense layers see both. Biases begin as the paper has them (section 5).
    """

    def __init__(self, *, dropout: float, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 96, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            ResponseNormalization(streams=2),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=2),
            nn.ReLU(inplace=True),
            ResponseNormalization(streams=2),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(256, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 384, kernel_size=3, padding=1, groups=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1, groups=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = AdaptiveAveragePool(6, 6)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )
        layers = [layer for layer in self.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        for number, layer in enumerate(layers, start=1):
            if isinstance(layer, nn.Conv2d) or layer is layers[-1]:
                nn.init.normal_(layer.weight, std=0.01)
            else:
                nn.init.normal_(layer.weight, std=0.005)  # with the paper's 0.01 the first steps overshoot
            assert layer.bias is not None
            nn.init.constant_(layer.bias, 1.0 if number in (2, 4, 5, 6, 7) else 0.0)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.avgpool(self.features(images)))
        return logits
