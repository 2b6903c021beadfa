"""What evaluation sees of images where nobody says, and which objects its view loses."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from src.data.augmentation import EVALUATED_SHARE
from src.data.crop import EvalCrop, central_crop, visible_share
from src.data.medium import Medium
from src.data.sources.base import Indices, Source, WithBoxes
from src.data.working import WorkingSize

if TYPE_CHECKING:
    from src.data.module import ImageData

log = logging.getLogger(__name__)

_PLACED = frozenset({"box", "boxes", "keypoints", "mask", "masks"})
"""Targets that have a place in the image, which a crop can cut away."""
_OF_PHOTOGRAPHS = 0.875
"""224 / 256, as ImageNet's networks are evaluated."""


def default_crop(source: Source, of_weights: EvalCrop | None) -> EvalCrop:
    """Return the view behind `data.eval_crop=auto`: all of every image where the truth has a place in it.

    A central square would cut objects away, and their truth with them. Other images are seen as the pretrained weights
    saw theirs (`of_weights`, where there are any). A square set is its own central square.
    """
    if source.square:
        return 1.0
    placed = [target for target in source.targets if target in _PLACED]
    if placed:
        log.info("data.eval_crop=auto: whole, since the data have %s, which a central square would cut", placed[0])
        return "whole"
    return _OF_PHOTOGRAPHS if of_weights is None else of_weights


def lost_objects(data: ImageData, split: str) -> int:
    """Return of how many images of a split evaluation's view loses the object, so that they count as `nothing`."""
    spec, indices = data.spec, data.splits[split]
    assert spec is not None  # the data have been opened
    if spec.eval_crop == "whole" or (data.source.square and spec.eval_crop == 1.0) or not len(indices):
        return 0
    known = isinstance(data.source, WithBoxes)
    found = _known(data.source, indices, data.working) if known else _read(data.medium, indices)
    labels, boxes, sizes = found
    places = np.array([_place(height, width, spec.image_size, spec.eval_crop) for height, width in sizes.tolist()])
    return int(((visible_share(boxes, places, sizes) < EVALUATED_SHARE) & (labels != 0)).sum())


def lost_figures(data: ImageData, split: str) -> dict[str, float]:
    """Return `SPLIT/objects_lost` where what is measured has one object per image, else nothing."""
    return {f"{split}/objects_lost": float(lost_objects(data, split))} if _has_objects(data) else {}


def warn_of_lost_objects(data: ImageData) -> None:
    """Say of each split how many objects evaluation's view loses."""
    if not _has_objects(data):
        return
    for split, indices in data.splits.items():
        lost = lost_objects(data, split)
        if lost:
            log.warning(
                "data.eval_crop=%s loses the object of %d of %d %s images: they count as nothing. Trained with "
                "data.eval_crop=whole, the network sees all of every image",
                data.spec and data.spec.eval_crop, lost, len(indices), split,
            )  # fmt: skip


def _has_objects(data: ImageData) -> bool:
    """Tell whether batches have one object per image, with its class: those are lost where a view cuts them."""
    return {"box", "label"} <= set(data.source.targets if data.wanted_targets is None else data.wanted_targets)


Objects = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]
"""Labels (N,), relative boxes (N, 4), and the heights and widths (N, 2) of the images."""


def _known(source: Source, indices: Indices, working: WorkingSize | None) -> Objects:
    assert isinstance(source, WithBoxes)
    sizes = source.sizes(indices)
    if working is not None:
        sizes = np.array([working.of(height, width) for height, width in sizes.tolist()], np.int64)
    return source.labels()[indices], source.boxes(indices), sizes


def _read(medium: Medium, indices: Indices) -> Objects:
    """Read every image, since the source knows no box before it has."""
    samples = [(one["label"], one["box"], one["image"].shape[:2]) for one in map(medium.read, indices.tolist())]
    labels, boxes, sizes = zip(*samples, strict=True)
    return np.array(labels, np.int64), np.array(boxes, np.float32), np.array(sizes, np.int64)


def _place(height: int, width: int, size: int, crop: EvalCrop) -> tuple[int, int, int, int]:
    box = central_crop(height, width, size, crop)
    return box.top, box.left, box.height, box.width
