"""Samples as the network sees them: in evaluation, and augmented in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from src.data.augmentation import EVALUATED_SHARE, Augmentation
from src.data.crop import Crops, EvalCrop
from src.data.sources.base import Sample


class Evaluated:
    """Samples as evaluation sees them. A class, so that spawned workers can have it."""

    def __init__(self, augment: Augmentation, image_size: int, eval_crop: EvalCrop) -> None:
        self.augment, self.image_size, self.eval_crop = augment, image_size, eval_crop
        self.names_files = bool(augment.transforms)

    def crops(self, samples: Sequence[Sample], epoch: int) -> Crops:
        """Return the view of evaluation, the same in every epoch."""
        return self.augment.evaluation_crops(samples, self.image_size, self.eval_crop)

    def targets(self, samples: Sequence[Sample], crops: Crops) -> list[Sample]:
        """Return what is seen of samples but for their images."""
        return self.augment.seen(samples, crops, self.image_size, EVALUATED_SHARE)

    def __call__(self, samples: Sequence[Sample], crops: Crops, epoch: int, images: NDArray[np.uint8]) -> list[Sample]:
        """Return the samples, their images written to `images` (B, S, S, C)."""
        return self.augment.evaluated(samples, crops, images)


class Augmented(Evaluated):
    """Samples as training sees them in an epoch."""

    def __init__(self, augment: Augmentation, image_size: int, eval_crop: EvalCrop, seed: int) -> None:
        super().__init__(augment, image_size, eval_crop)
        self.seed = seed

    def crops(self, samples: Sequence[Sample], epoch: int) -> Crops:
        """Return what is drawn for each sample in an epoch."""
        size, crop = self.image_size, self.eval_crop
        return self.augment.training_crops(samples, size, crop, seed=self.seed, epoch=epoch)

    def targets(self, samples: Sequence[Sample], crops: Crops) -> list[Sample]:
        """Return what is seen of samples but for their images."""
        return self.augment.seen(samples, crops, self.image_size, self.augment.min_box_share)

    def __call__(self, samples: Sequence[Sample], crops: Crops, epoch: int, images: NDArray[np.uint8]) -> list[Sample]:
        """Return the samples after all transforms, their images written to `images` (B, S, S, C)."""
        return self.augment.trained(samples, crops, images, seed=self.seed, epoch=epoch)
