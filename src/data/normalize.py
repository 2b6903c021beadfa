"""From uint8 images to what a network expects, on the device, once per batch."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from src.errors import UserError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalize(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Return (images / 255 - mean) / std as float32, for uint8 images (B, C, H, W); the memory layout is kept."""
    scale, shift = _scale_and_shift(tuple(mean), tuple(std), images.device)
    return torch.addcmul(shift, images.float(), scale)


@functools.lru_cache(maxsize=8)
def _scale_and_shift(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return both (1, C, 1, 1) on the device: made anew for each batch, they would make a GPU wait for the CPU."""
    shape = (1, -1, 1, 1)
    scale = torch.tensor([1 / (255 * s) for s in std], device=device).view(shape)
    return scale, torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=device).view(shape)


def channel_statistics(images: Iterable[NDArray[np.uint8]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel of images (H, W, C), in units of [0, 1].

    Computed from counts of each of the 256 values, so the result does not depend on the order of the images.
    """
    counts: NDArray[np.int64] | None = None  # (C, 256)
    for image in images:
        found = np.stack([np.bincount(image[..., c].ravel(), minlength=256) for c in range(image.shape[-1])])
        counts = found if counts is None else counts + found
    if counts is None:
        raise ValueError("no images to measure")
    values, pixels = np.arange(256), counts.sum(1)
    mean = counts @ values / pixels
    deviation = np.sqrt(np.maximum(counts @ values**2 / pixels - mean**2, 1))
    return tuple((mean / 255).tolist()), tuple((deviation / 255).tolist())


def fixed_statistics(
    normalization: str | Mapping[str, Sequence[float]], channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return (mean, std) where `data.normalize` names them, None where they are to be measured (`dataset`, `mean`).

    Raises UserError where the number of values is not that of the channels.
    """
    if normalization in ("dataset", "mean"):
        return None
    if normalization == "none":
        return (0.0,) * channels, (1.0,) * channels
    mean: tuple[float, ...]
    std: tuple[float, ...]
    if normalization == "imagenet":
        mean, std = IMAGENET_MEAN, IMAGENET_STD
    elif isinstance(normalization, Mapping) and set(normalization) == {"mean", "std"}:
        mean, std = tuple(normalization["mean"]), tuple(normalization["std"])
    else:
        raise UserError(
            f"data.normalize={normalization}: expected auto, imagenet, dataset, mean, none or "
            "{mean: [...], std: [...]} with a value per channel"
        )
    if not len(mean) == len(std) == channels:
        raise UserError(
            f"data.normalize={normalization} has {len(mean)} means and {len(std)} deviations for images of {channels} "
            "channels; type data.normalize=dataset to measure them on the training set"
        )
    if min(std) <= 0:
        raise UserError(f"data.normalize: every std must be greater than 0, found {list(std)}")
    return mean, std
