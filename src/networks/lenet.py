"""LeNet-5, the network of the chapter's section on landmark architectures that all later ones descend from.

LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, Proceedings of the IEEE, 1998.

    C1  5x5 convolution, 6 maps         28x28
    S2  2x2 subsampling                 14x14
    C3  5x5 convolution, 16 maps        10x10
    S4  2x2 subsampling                   5x5
    C5  dense, 120
    F6  dense, 84
    output, one logit per class

What differs from the paper, as in most later descriptions: subsampling has no learned coefficient and bias, and no
squashing function of its own behind it, C3 sees all six maps of S2 rather than a chosen few, tanh is unscaled, and the
output layer is linear rather than radial. That makes 61,706 parameters for 32x32 grey images and 10 classes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge
from torch import Tensor, nn

from src.errors import UserError
from src.networks.published import finished

FIELD = 32
"""The published input size, in pixels."""
DIGIT = 28
"""The published size of an image before its border is added."""


class LeNet5(nn.Module):
    """Images (B, C, H, W) to logits (B, classes).

    Images of 28 to 31 px are padded to the published 32 px by repeating their border, as the paper extends the
    background of its 28 px digits. Above 32 px C5 grows: it stays a dense layer over all of S4.
    """

    def __init__(
        self,
        *,
        activation: Literal["tanh", "relu"],
        pooling: Literal["average", "max"],
        num_classes: Annotated[int, Ge(1)],
        in_channels: Annotated[int, Ge(1)],
        image_size: Annotated[int, Ge(1)],
    ) -> None:
        """Raise UserError where the image is smaller than 28 px."""
        super().__init__()
        if image_size < DIGIT:
            raise UserError(
                f"LeNet-5 takes images of at least {DIGIT} px (padded to {FIELD}), found data.image_size={image_size}; "
                f"type data.image_size={FIELD}"
            )
        activate = nn.Tanh if activation == "tanh" else nn.ReLU
        subsample = nn.AvgPool2d if pooling == "average" else nn.MaxPool2d
        missing = max(FIELD - image_size, 0)
        before, after = missing // 2, missing - missing // 2
        side = ((image_size + missing - 4) // 2 - 4) // 2  # of S4: a 5x5 convolution takes 4 px, subsampling halves

        self.pad = nn.ReplicationPad2d((before, after, before, after)) if missing else nn.Identity()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, kernel_size=5),
            activate(),
            subsample(2),
            nn.Conv2d(6, 16, kernel_size=5),
            activate(),
            subsample(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * side * side, 120),
            activate(),
            nn.Linear(120, 84),
            activate(),
            nn.Linear(84, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.features(self.pad(images)))
        return logits


def lenet(
    *,
    activation: Literal["tanh", "relu"],
    pooling: Literal["average", "max"],
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
    **variation: Any,
) -> nn.Module:
    """Build LeNet-5, new or from a file; nobody has published weights for it."""
    network = LeNet5(
        activation=activation,
        pooling=pooling,
        num_classes=num_classes,
        in_channels=in_channels,
        image_size=image_size,
    )
    return finished(network, in_channels, image_size, weights, {}, **variation)
