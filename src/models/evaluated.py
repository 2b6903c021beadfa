"""What was kept of an evaluated split, with the images and names that a report shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from src.data.module import ImageData


@dataclass(frozen=True)
class Evaluated:
    """Arrays with the samples first; `image(i)` is sample i as evaluation sees it, uint8 (H, W, C)."""

    values: Mapping[str, NDArray[Any]]
    image: Callable[[int], NDArray[np.uint8]]
    paths: Sequence[str]


def evaluated(outputs: Sequence[Mapping[str, Tensor]], data: ImageData, split: str) -> Evaluated:
    """Bring together what `ImageModule.outputs` holds of a split, batch by batch."""
    values = {key: torch.cat([batch[key] for batch in outputs]).numpy() for key in outputs[0]}
    dataset = data.dataset(split)
    position = {int(index): place for place, index in enumerate(dataset.indices)}

    def image(i: int) -> NDArray[np.uint8]:
        found: NDArray[np.uint8] = dataset.sample(position[int(values["index"][i])])["image"]
        return found

    return Evaluated(values, image, [data.name_of(int(index)) for index in values["index"]])
