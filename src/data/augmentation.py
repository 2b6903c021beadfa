"""What happens to a sample between its source and the batch. The only importer of albumentations."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NoReturn

import numpy as np
from annotated_types import Ge, Interval
from numpy.typing import NDArray

from src.data.crop import (
    Crops,
    EvalCrop,
    Stream,
    central_crop,
    cut_image,
    cut_targets,
    random_resized_crops,
    visible_share,
)
from src.data.placed import FlipPairs, Shares, compose_arguments, compose_data, prepare, transformed
from src.data.rand_augment import rand_augment as rand_augment
from src.data.sources.base import Sample
from src.data.transform_rules import PLACED
from src.data.transforms import (
    can_change_kind,
    changes_kind,
    culprit,
    kind_of,
    parts_of,
    require_known_arguments,
    require_right,
    rule_of,
)
from src.errors import UserError

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks the package index for news

_ATTEMPTS = 10  # to keep an object in view
EVALUATED_SHARE = 0.3
"""Share of a box's area below which evaluation's view has lost the object, whatever training says: truth is fixed."""


class Augmentation:
    """A leading crop and flip of ours, then albumentations' transforms in order; mixup and cutmix are the batch's.

    Each sample's randomness is a function of (seed, epoch, index) alone.

    Lost objects. Crop and transforms together must leave at least `min_box_share` of a box's area within the image; an
    object of which less is left is lost. Of several objects a lost one goes, with all that is said of it. Where a
    sample has one `box` and a `label`, `lost_object=refuse` draws again: up to ten crops, then evaluation's own view;
    up to ten times the transforms, then none of them. `lost_object=nothing` makes the sample one of class 0, `nothing`.
    So it is in evaluation's view, which cannot be drawn again, where less than 0.3 of the box is left.
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
        lost_object: Literal["refuse", "nothing"],
        min_box_share: Annotated[float, Interval(gt=0, le=1)],
    ) -> None:
        self.crop_scale, self.crop_ratio = crop_scale, crop_ratio
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.mixup, self.cutmix = mixup, cutmix
        self.lost_object, self.min_box_share = lost_object, min_box_share
        self.transforms = {name: transform for name, transform in transforms.items() if transform is not None}
        for bounds, name in ((crop_scale, "crop_scale"), (crop_ratio, "crop_ratio")):
            if bounds is not None and bounds[0] > bounds[1]:
                raise UserError(f"augment.{name}={list(bounds)}: the smaller value comes first")
        require_known_arguments(self.transforms)
        self.flip_pairs: FlipPairs = ()
        self._composed: dict[frozenset[str], Any] = {}
        self._moving = sum(
            rule_of(part).moves for transform in self.transforms.values() for part in parts_of(transform)
        )

    @classmethod
    def none(cls) -> Augmentation:
        """Return the one under which training sees what evaluation does."""
        return cls(
            crop_scale=None,
            crop_ratio=(1.0, 1.0),
            horizontal_flip=0.0,
            vertical_flip=0.0,
            transforms={},
            mixup=0.0,
            cutmix=0.0,
            lost_object="nothing",
            min_box_share=EVALUATED_SHARE,
        )

    def for_data(self, targets: Sequence[str], channels: int, flip_pairs: FlipPairs | None) -> Augmentation:
        """Return this augmentation for data with these targets, channels and points that trade places.

        Raises UserError where it would leave a target wrong, or cannot take the images.
        """
        if (self.horizontal_flip or self.vertical_flip) and "keypoints" in targets and flip_pairs is None:
            key = "horizontal_flip" if self.horizontal_flip else "vertical_flip"
            raise UserError(
                f"augment.{key} mirrors keypoints, and the data do not say which of them trade places, such as the "
                f"left and the right eye: type augment.{key}=0, or name them in the source's flip_pairs"
            )
        for name, transform in self.transforms.items():
            require_right(name, transform, targets, channels, flip_pairs is not None)
        fitted = copy.copy(self)
        fitted.flip_pairs, fitted._composed = flip_pairs or (), {}
        return fitted

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_composed": {}}  # a spawned process composes anew

    @property
    def changes_images(self) -> bool:
        """Whether training sees an image otherwise than evaluation does."""
        mixes = bool(self.mixup or self.cutmix)
        return bool(self.crop_scale or self.horizontal_flip or self.vertical_flip or self.transforms) or mixes

    def train(self, sample: Sample, image_size: int, eval_crop: EvalCrop, *, seed: int, epoch: int) -> Sample:
        """Return the sample as training sees it in an epoch; `image` is (image_size, image_size, C)."""
        crops = self.training_crops([sample], image_size, eval_crop, seed=seed, epoch=epoch)
        image = np.empty((image_size, image_size, sample["image"].shape[2]), np.uint8)
        return self.trained([sample], crops, image[None], seed=seed, epoch=epoch)[0]

    def evaluate(self, sample: Sample, image_size: int, eval_crop: EvalCrop) -> Sample:
        """Return the sample as evaluation sees it: the central crop, the same for every configuration of this class."""
        image = np.empty((image_size, image_size, sample["image"].shape[2]), np.uint8)
        return self.evaluated([sample], self.evaluation_crops([sample], image_size, eval_crop), image[None])[0]

    def training_crops(
        self, samples: Sequence[Sample], image_size: int, eval_crop: EvalCrop, *, seed: int, epoch: int
    ) -> Crops:
        """Return the part of each sample that training sees in an epoch, and which are mirrored."""
        stream = Stream(seed, epoch, [sample["index"] for sample in samples])
        rows = np.arange(len(samples))
        if self.crop_scale is None:
            places = self.evaluation_crops(samples, image_size, eval_crop).places
        else:
            places = self._random_places(self.crop_scale, samples, image_size, eval_crop, stream)
        mirrored, upside_down = (stream.uniform(rows) < p for p in (self.horizontal_flip, self.vertical_flip))
        return Crops(places, mirrored, upside_down)

    def evaluation_crops(self, samples: Sequence[Sample], image_size: int, eval_crop: EvalCrop) -> Crops:
        """Return the central part of each sample."""
        shapes = [sample["image"].shape for sample in samples]
        return Crops.of([central_crop(height, width, image_size, eval_crop) for height, width, _ in shapes])

    def trained(
        self, samples: Sequence[Sample], crops: Crops, images: NDArray[np.uint8], *, seed: int, epoch: int
    ) -> list[Sample]:
        """Return samples as training sees them through `crops`, their images written to `images` (B, S, S, C)."""
        seen = self.seen(samples, crops, images.shape[1], self.min_box_share)
        _cut_images(samples, crops, images)
        for number, image in enumerate(images):
            seen[number]["image"] = image
        if self.transforms:
            left, rows = np.ones(len(samples)), _with_object(samples)
            left[rows] = _shares(samples, rows, crops.places)
            for number, image in enumerate(images):
                seen[number] = self._transformed(seen[number], float(left[number]), seed, epoch)
                image[:] = seen[number]["image"]
        return seen

    def evaluated(self, samples: Sequence[Sample], crops: Crops, images: NDArray[np.uint8]) -> list[Sample]:
        """Return samples as evaluation sees them, their images written to `images` (B, S, S, C)."""
        _cut_images(samples, crops, images)
        seen = self.seen(samples, crops, images.shape[1], EVALUATED_SHARE)
        return [sample | {"image": image} for sample, image in zip(seen, images, strict=True)]

    def seen(self, samples: Sequence[Sample], crops: Crops, image_size: int, share: float) -> list[Sample]:
        """Return what is seen of samples but for their images, which stay; less than `share` of a box is lost."""
        found = [
            cut_targets(sample, box, image_size, share, self.flip_pairs)
            for sample, box in zip(samples, crops.boxes(), strict=True)
        ]
        for row in _losing(samples, _with_object(samples), crops.places, share).tolist():
            found[row] = _without_object(found[row])
        return found

    def _random_places(
        self,
        scale: tuple[float, float],
        samples: Sequence[Sample],
        image_size: int,
        eval_crop: EvalCrop,
        stream: Stream,
    ) -> NDArray[np.int64]:
        """Return random parts (B, 4), drawn again where they lose an object, in the end those of evaluation."""
        sizes = _sizes(samples)
        # Of a whole image that evaluation stretches, the ratio is that of the stretched one.
        stretch = sizes[:, 1:] / sizes[:, :1] if eval_crop == "whole" else np.ones((len(sizes), 1))
        ratios = np.array(self.crop_ratio) * stretch
        places = random_resized_crops(sizes, scale, ratios, stream, np.arange(len(samples)))
        if self.lost_object == "nothing":
            return places
        lost = _losing(samples, _with_object(samples), places, self.min_box_share)
        for _ in range(_ATTEMPTS - 1):
            if not len(lost):
                break
            places[lost] = random_resized_crops(sizes[lost], scale, ratios[lost], stream, lost)
            lost = _losing(samples, lost, places, self.min_box_share)
        if len(lost):
            places[lost] = self.evaluation_crops([samples[row] for row in lost], image_size, eval_crop).places
        return places

    def _transformed(self, sample: Sample, left: float, seed: int, epoch: int) -> Sample:
        """Return what the transforms make of a sample, again with other numbers where they lose its object.

        `left` is the share of its one box that the crop has left.
        """
        min_share = min(self.min_box_share / left, 1.0) if left > 0 else 1.0
        first = [seed, epoch, sample["index"]]
        for entropy in (first, *([*first, attempt] for attempt in range(1, _ATTEMPTS))):
            seen = self._transformed_by(np.random.SeedSequence(entropy), sample, min_share)
            if not _has_object(sample) or seen["box"].any():
                return seen
            if self.lost_object == "nothing":
                return _without_object(seen)
        return sample

    def _transformed_by(self, entropy: np.random.SeedSequence, sample: Sample, min_share: float) -> Sample:
        compose = self._compose(sample)
        numbers = np.random.Generator(np.random.PCG64(entropy))
        compose.set_random_state(numbers, random.Random(int(entropy.generate_state(1)[0])))
        data = compose_data(sample, self._moving)
        try:
            found = compose(**data)
        except Exception as error:
            where, channels = sample.get("path", sample["index"]), sample["image"].shape[-1]
            name, reason = culprit(self.transforms, data["image"]) or (" or ".join(self.transforms), error)
            raise UserError(
                f"augment.transforms.{name} failed on {where}, an image of {channels} channels: {reason}. "
                "Leave it out with augment.transforms.NAME=null"
            ) from error
        if changes_kind(found["image"], data["image"]):
            self._refuse(found["image"], data["image"])
        return transformed(sample, found, Shares(self.min_box_share, min_share), self.flip_pairs)

    def _refuse(self, found: Any, image: NDArray[np.uint8]) -> NoReturn:
        """Raise the UserError for transforms that make another kind of picture of an image."""
        name = next((name for name, one in self.transforms.items() if can_change_kind(one, image)), "NAME")
        raise UserError(
            f"augment.transforms.{name} makes {kind_of(found)} of {kind_of(image)}, and a batch needs what came in: "
            f"leave it out with augment.transforms.{name}=null. The part of an image and its size are set by "
            "augment.crop_scale and data.image_size, its scale by data.normalize"
        )

    def _compose(self, sample: Sample) -> Any:
        """Return albumentations' Compose for samples with these targets."""
        keys = frozenset(sample)
        if keys not in self._composed:
            import albumentations as A

            # A copy: each transform remembers the Compose that it belongs to.
            transforms = copy.deepcopy(list(self.transforms.values()))
            if self._moving and not keys.isdisjoint(PLACED):
                for part in (part for transform in transforms for part in parts_of(transform)):
                    prepare(part)
            self._composed[keys] = A.Compose(transforms, **compose_arguments(sample, self._moving))
        return self._composed[keys]


def _cut_images(samples: Sequence[Sample], crops: Crops, images: NDArray[np.uint8]) -> None:
    for sample, box, image in zip(samples, crops.boxes(), images, strict=True):
        cut_image(sample["image"], box, len(image), image)


def _sizes(samples: Sequence[Sample]) -> NDArray[np.int64]:
    """Return the height and width of the images (B, 2)."""
    return np.array([sample["image"].shape[:2] for sample in samples], np.int64)


def _with_object(samples: Sequence[Sample]) -> NDArray[np.int64]:
    """Return which samples have one object."""
    return np.array([row for row, sample in enumerate(samples) if _has_object(sample)], np.int64)


def _losing(
    samples: Sequence[Sample], rows: NDArray[np.int64], places: NDArray[np.int64], share: float
) -> NDArray[np.int64]:
    """Return those of the `rows`, samples with an object, of which parts (B, 4) show too little of its box."""
    return rows[_shares(samples, rows, places) < share]


def _shares(samples: Sequence[Sample], rows: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each of the `rows`, samples with an object, what share of its box parts (B, 4) show."""
    if not len(rows):
        return np.empty(0)
    chosen = [samples[row] for row in rows]
    boxes = np.stack([sample["box"] for sample in chosen])
    return visible_share(boxes, places[rows], _sizes(chosen))


def _has_object(sample: Sample) -> bool:
    """Tell whether a sample has one box and the label of what is in it."""
    return "box" in sample and "label" in sample and np.ndim(sample["label"]) == 0 and sample["label"] != 0


def _without_object(sample: Sample) -> Sample:
    """Return a sample of the class `nothing`."""
    return sample | {"label": 0, "box": np.zeros(4, np.float32)}
