"""What `data.image_size`, `data.eval_crop` and `data.normalize` come to where they are `auto`, and what they cost."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal, Protocol

from src.data.augmentation import Augmentation
from src.data.crop import EvalCrop
from src.data.eval_view import default_crop
from src.data.image_size import suitable_size
from src.data.medium import Medium
from src.data.normalize import channel_statistics, fixed_statistics
from src.data.sources.base import Indices, Source
from src.data.working import WorkingSize
from src.progress import progress

log = logging.getLogger(__name__)

Normalization = Literal["auto", "imagenet", "dataset", "mean", "none"] | dict[str, list[float]]
Statistics = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each channel, in units of [0, 1] images."""


class Preprocessing(Protocol):
    """What pretrained weights were trained with; the values behind `auto`."""

    @property
    def mean(self) -> Sequence[float]: ...
    @property
    def std(self) -> Sequence[float]: ...
    @property
    def image_size(self) -> int: ...
    @property
    def crop(self) -> EvalCrop: ...


def geometry(
    size: int | Literal["auto"],
    crop: EvalCrop | Literal["auto"],
    source: Source,
    weights: Preprocessing | None,
    working: WorkingSize | None,
) -> tuple[int, EvalCrop]:
    """Return the side of the network's input in pixels, and what evaluation sees of an image."""
    if size == "auto":
        size, reason = (weights.image_size, "the weights") if weights else suitable_size(source)
        log.info("data.image_size=auto: %d, from %s", size, reason)
    if working is not None and working.side < size:
        log.warning("data.working_size=%d is below data.image_size=%d: images are enlarged", working.side, size)
    return size, default_crop(source, weights.crop if weights else None) if crop == "auto" else crop


def statistics(
    choice: Normalization,
    weights: Preprocessing | None,
    channels: int,
    medium: Medium,
    train: Indices,
    augment: Augmentation,
    view: tuple[int, EvalCrop],
) -> Statistics:
    """Return what images are normalised with; read from all training images where that is asked for."""
    if choice == "auto":
        if weights is not None and len(weights.mean) == channels:
            return tuple(weights.mean), tuple(weights.std)
        choice = "imagenet" if channels == 3 else "dataset"
        log.info("data.normalize=auto: %s", choice)
    fixed = fixed_statistics(choice, channels)
    if fixed is not None:
        return fixed
    indices = progress(train.tolist(), "Measuring colours", unit="images")
    mean, std = channel_statistics(augment.evaluate(medium.read(index), *view)["image"] for index in indices)
    return mean, std if choice == "dataset" else (1.0,) * channels
