"""Whole batches, read and augmented together, as uint8 tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from src.data import blocks
from src.data.crop import PER_OBJECT, Crops
from src.data.media.on_device import OnDevice
from src.data.medium import Medium
from src.data.sampler import Batch
from src.data.sources.base import Sample


class Transform(Protocol):
    """What the network shall see of samples."""

    image_size: int
    names_files: bool
    """Whether it may fail for a sample, so that it has to know its file."""

    def crops(self, samples: Sequence[Sample], epoch: int) -> Crops:
        """Return what part of each sample is seen in an epoch."""

    def targets(self, samples: Sequence[Sample], crops: Crops) -> list[Sample]:
        """Return what is seen of samples but for their images, where nothing but cutting is done to them."""

    def __call__(self, samples: Sequence[Sample], crops: Crops, epoch: int, images: NDArray[np.uint8]) -> list[Sample]:
        """Return the samples as they are seen in an epoch, their images written to `images` (B, S, S, C)."""


class BatchDataset(Dataset[dict[str, Any]]):
    """A split with some of its targets, read from a medium. Indexed by a `Batch`, it returns the collated batch.

    `image` is uint8 (B, C, H, W), a view of memory laid out channels last; targets are stacked, ragged ones are lists.
    Where the images lie on the device, `parts` stand in place of `image`, which is made from them there.
    """

    def __init__(
        self, medium: Medium, indices: NDArray[np.int64], transform: Transform, targets: Sequence[str]
    ) -> None:
        self.medium, self.indices, self.transform, self.targets = medium, indices, transform, tuple(targets)
        self.places: blocks.Pool | None = None
        """Memory that loader processes write images to, where they share it."""

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"places": None}  # a spawned process has other memory

    def __len__(self) -> int:
        return len(self.indices)

    def sample(self, position: int, epoch: int = 0) -> Sample:
        """Return one transformed sample of the split, with its `index` in the source."""
        samples = [self._read(int(self.indices[position]))]
        size, channels = self.transform.image_size, samples[0]["image"].shape[2]
        images = np.empty((1, size, size, channels), np.uint8)
        return self.transform(samples, self.transform.crops(samples, epoch), epoch, images)[0]

    def __getitem__(self, batch: Batch) -> dict[str, Any]:
        samples = [self._read(index) for index in self.indices[batch.positions].tolist()]
        crops, size = self.transform.crops(samples, batch.epoch), self.transform.image_size
        if isinstance(self.medium, OnDevice):
            parts = self.medium.parts([sample["index"] for sample in samples], crops, size)
            collated = {"parts": parts} | collate(self.transform.targets(samples, crops), self.targets)
        else:
            images, handed_over = blocks.images((len(samples), size, size, samples[0]["image"].shape[2]), self.places)
            seen = self.transform(samples, crops, batch.epoch, images)
            collated = {"image": handed_over} | collate(seen, self.targets)
        return collated | {"epoch": batch.epoch, "number": batch.number}

    def _read(self, index: int) -> Sample:
        read = self.medium.read(index)
        sample = {key: read[key] for key in ("image", *self.targets)}
        sample["index"] = index
        if self.transform.names_files:
            sample["path"] = read.get("path") or self.medium.name_of(index)
        return sample


class KeptDataset(Dataset[dict[str, Any]]):
    """A split of which tensors are kept in memory, in its order, in place of images. Indexed by a `Batch`."""

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors["index"])

    def __getitem__(self, batch: Batch) -> dict[str, Any]:
        positions = torch.as_tensor(batch.positions)
        chosen = {key: values[positions] for key, values in self.tensors.items()}
        return chosen | {"epoch": batch.epoch, "number": batch.number}


def collate(samples: Sequence[Sample], targets: Sequence[str]) -> dict[str, Any]:
    """Stack `index` and `targets` of samples; ragged targets become lists."""
    arrays = [np.array([sample["index"] for sample in samples])]
    for key in targets:
        values = [np.asarray(sample[key]) for sample in samples]
        arrays += values if key in PER_OBJECT else [np.stack(values)]
    tensors = iter(blocks.tensors(arrays))
    batch: dict[str, Any] = {"index": next(tensors)}
    for key in targets:
        batch[key] = [next(tensors) for _ in samples] if key in PER_OBJECT else next(tensors)
    return batch
