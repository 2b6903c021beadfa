"""Networks small enough to follow by hand, ready to be explained, and images that are made up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from src.data.crop import CropBox
from src.data.view import View
from src.explanations.images import Images, Item
from src.explanations.subject import Subject


def subject(network: nn.Module, image_size: int, channels: int = 3, classes: Sequence[str] = ("cat", "dog")) -> Subject:
    """Images are shown to the network as they are, divided by 255."""
    return Subject(
        network=network,
        model=None,
        classes=tuple(classes),
        channels=channels,
        image_size=image_size,
        eval_crop=1.0,
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
        device=torch.device("cpu"),
    )


def convolutional(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 6, 3, padding=1, bias=True),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(6 * 4 * 4, 2),
    )


class MadeUp(Images):
    """Random images of one size, with labels in turn."""

    def __init__(self, count: int, side: int, classes: int = 2, seed: int = 0) -> None:
        self.pixels = np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
        self.classes = classes

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, position: int) -> Item:
        whole = self.pixels[position]
        side = len(whole)
        view = View(side, side, CropBox(0, 0, side, side))
        return Item(position, f"{position}.png", whole, whole, view, position % self.classes)
