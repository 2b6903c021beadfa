"""What happens to a sample between its source and the batch. The only importer of albumentations."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Interval

from src.data.crop import Stream, central_crop, cut, flipped, random_resized_crop
from src.data.sources.base import Sample
from src.errors import UserError

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks the package index for news

Probability = Annotated[float, Interval(ge=0, le=1)]
PLACED = ("box", "boxes", "keypoints", "mask", "masks")
"""Targets that have a place in the image, which a transform that moves pixels would have to move along."""


class Augmentation:
    """A leading crop and flip of ours, then albumentations' transforms in order; mixup and cutmix are the batch's.

    Each sample's randomness is a function of (seed, epoch, index) alone.
    """

    def __init__(
        self,
        *,
        crop_scale: tuple[Annotated[float, Interval(gt=0, le=1)], Annotated[float, Interval(gt=0, le=1)]] | None,
        crop_ratio: tuple[Annotated[float, Interval(gt=0)], Annotated[float, Interval(gt=0)]],
        horizontal_flip: Annotated[float, Interval(ge=0, le=1)],
        vertical_flip: Annotated[float, Interval(ge=0, le=1)],
        transforms: Mapping[str, Any],
        mixup: Annotated[float, Ge(0)],
        cutmix: Annotated[float, Ge(0)],
    ) -> None:
        self.crop_scale, self.crop_ratio = crop_scale, crop_ratio
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.mixup, self.cutmix = mixup, cutmix
        self.transforms = {name: transform for name, transform in transforms.items() if transform is not None}
        for bounds, name in ((crop_scale, "crop_scale"), (crop_ratio, "crop_ratio")):
            if bounds is not None and bounds[0] > bounds[1]:
                raise UserError(f"augment.{name}={list(bounds)}: the smaller value comes first")
        self._compose = _compose(self.transforms)

    def train(self, sample: Sample, image_size: int, eval_crop: float, *, seed: int, epoch: int) -> Sample:
        """Return the sample as training sees it in an epoch; `image` is (image_size, image_size, C)."""
        stream = Stream(seed, epoch, sample["index"])
        height, width = sample["image"].shape[:2]
        if self.crop_scale is None:
            box = central_crop(height, width, image_size, eval_crop)
        else:
            box = random_resized_crop(height, width, self.crop_scale, self.crop_ratio, stream)
        sample = cut(sample, flipped(box, self.horizontal_flip, self.vertical_flip, stream), image_size)
        return self._transformed(sample, seed, epoch) if self._compose is not None else sample

    def evaluate(self, sample: Sample, image_size: int, eval_crop: float) -> Sample:
        """Return the sample as evaluation sees it: the central crop, the same for every configuration of this class."""
        height, width = sample["image"].shape[:2]
        return cut(sample, central_crop(height, width, image_size, eval_crop), image_size)

    def _transformed(self, sample: Sample, seed: int, epoch: int) -> Sample:
        entropy = np.random.SeedSequence([seed, epoch, sample["index"]])
        numbers = np.random.Generator(np.random.PCG64(entropy))
        self._compose.set_random_state(numbers, random.Random(int(entropy.generate_state(1)[0])))
        placed = [key for key in PLACED if key in sample]
        if placed and (moving := moving_transforms(self.transforms)):
            raise UserError(
                f"augment.transforms.{moving[0]} moves pixels, and {', '.join(placed)} would stay behind; "
                f"type augment.transforms.{moving[0]}=null"
            )
        try:
            return sample | {"image": self._compose(image=np.ascontiguousarray(sample["image"]))["image"]}
        except Exception as error:
            channels = sample["image"].shape[-1]
            names = ", ".join(self.transforms)
            raise UserError(
                f"augment.transforms ({names}) failed on {sample.get('path', sample['index'])}, an image of {channels} "
                f"channels: {error}. Leave the one that cannot take it out with augment.transforms.NAME=null"
            ) from error


def rand_augment(*, operations: Annotated[int, Ge(1)], magnitude: Annotated[float, Interval(ge=0, le=30)]) -> Any:
    """Return RandAugment (Cubuk et al. 2020): `operations` of its list, with repetition, at a magnitude of 0 to 30.

    The strengths at magnitude 30 are those of torchvision: rotation 30 degrees, shear 0.3, translation 0.47 of the
    side (150/331), factors of colour, contrast, brightness and sharpness 1 +- 0.9, posterize to 4 bits, solarize all.
    """
    import albumentations as A

    m = magnitude / 30
    factor = (1 - 0.9 * m, 1 + 0.9 * m)
    still = {"saturation": (1, 1), "contrast": (1, 1), "brightness": (1, 1), "hue": (0, 0)}
    operations_list = [
        A.NoOp(p=1),
        A.Affine(shear={"x": (-17 * m, 17 * m), "y": (0, 0)}, p=1),
        A.Affine(shear={"x": (0, 0), "y": (-17 * m, 17 * m)}, p=1),
        A.Affine(translate_percent={"x": (-0.45 * m, 0.45 * m), "y": (0, 0)}, p=1),
        A.Affine(translate_percent={"x": (0, 0), "y": (-0.45 * m, 0.45 * m)}, p=1),
        A.Rotate(limit=(-30 * m, 30 * m), p=1),
        A.ColorJitter(**still | {"brightness": factor}, p=1),
        A.ColorJitter(**still | {"saturation": factor}, p=1),
        A.ColorJitter(**still | {"contrast": factor}, p=1),
        A.Sharpen(alpha=(0, 0.9 * m), lightness=(1, 1), p=1),
        A.Posterize(num_bits=(8 - round(4 * m), 8 - round(4 * m)), p=1),
        A.Solarize(threshold_range=(1 - m, 1 - m), p=1),
        A.AutoContrast(p=1),
        A.Equalize(p=1),
    ]
    return A.SomeOf(operations_list, n=operations, replace=True, p=1)


def moving_transforms(transforms: Mapping[str, Any]) -> list[str]:
    """Return the names of the transforms that move pixels, alone or inside a choice of several."""
    import albumentations as A

    def moves(transform: Any) -> bool:
        parts = getattr(transform, "transforms", None)
        return (
            any(map(moves, parts))
            if parts
            else isinstance(transform, A.DualTransform) and not isinstance(transform, A.NoOp)
        )

    return [name for name, transform in transforms.items() if moves(transform)]


def _compose(transforms: Mapping[str, Any]) -> Any:
    """Return albumentations' Compose, or None where there is nothing to do: importing it takes seconds."""
    if not transforms:
        return None
    import albumentations as A

    return A.Compose(list(transforms.values()))
