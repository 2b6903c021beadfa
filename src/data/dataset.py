"""Whole batches, read and augmented one sample at a time, as uint8 tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from src.data.medium import Medium
from src.data.sampler import Batch
from src.data.sources.base import Sample

Transform = Callable[[Sample, int], Sample]
"""A sample and its epoch to the sample as the network shall see it, all of one size."""

_RAGGED = ("boxes", "labels", "masks")
"""Targets that differ in length from sample to sample: lists in a batch."""


class BatchDataset(Dataset[dict[str, Any]]):
    """A split with some of its targets, read from a medium. Indexed by a `Batch`, it returns the collated batch.

    `image` is uint8 (B, C, H, W), a view of memory laid out channels last; targets are stacked, ragged ones are lists.
    """

    def __init__(
        self, medium: Medium, indices: NDArray[np.int64], transform: Transform, targets: Sequence[str]
    ) -> None:
        self.medium, self.indices, self.transform, self.targets = medium, indices, transform, tuple(targets)

    def __len__(self) -> int:
        return len(self.indices)

    def sample(self, position: int, epoch: int = 0) -> Sample:
        """Return one transformed sample of the split, with its `index` in the source."""
        index = int(self.indices[position])
        read = self.medium.read(index)
        wanted = {key: read[key] for key in ("image", "path", *self.targets) if key in read}
        return self.transform(wanted | {"index": index}, epoch)

    def __getitem__(self, batch: Batch) -> dict[str, Any]:
        samples = [self.sample(position, batch.epoch) for position in batch.positions]
        return collate(samples, self.targets) | {"epoch": batch.epoch, "number": batch.number}


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
    """Stack `image`, `index` and `targets` of samples of one size."""
    images = np.stack([sample["image"] for sample in samples])  # (B, H, W, C)
    batch: dict[str, Any] = {
        "image": torch.from_numpy(images).permute(0, 3, 1, 2),
        "index": torch.tensor([sample["index"] for sample in samples]),
    }
    for key in targets:
        if key in _RAGGED:
            batch[key] = [torch.as_tensor(sample[key]) for sample in samples]
        else:
            batch[key] = torch.from_numpy(np.stack([np.asarray(sample[key]) for sample in samples]))
    return batch
