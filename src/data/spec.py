"""What a model needs to know of its data, and what a run directory keeps so that it can predict without them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from src.errors import UserError


@dataclass(frozen=True)
class DataSpec:
    """The data as a model sees them. `mean` and `std` have one value per channel, in units of [0, 1] images."""

    targets: tuple[str, ...]
    classes: tuple[str, ...]
    channels: int
    image_size: int
    eval_crop: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    multilabel: bool
    num_keypoints: int
    class_counts: tuple[int, ...]
    """Training samples of each class, in the order of `classes`."""
    train_samples: int
    digest: str
    """Over the content of every sample used."""

    @property
    def num_classes(self) -> int:
        """Return the number of classes."""
        return len(self.classes)

    def as_json(self) -> dict[str, Any]:
        """Return plain containers for `data.json`."""
        return asdict(self)

    @classmethod
    def load(cls, path: Path) -> DataSpec:
        """Read a `data.json`. Raises UserError where it is missing or not one of ours."""
        try:
            values: dict[str, Any] = json.loads(path.read_text())
            fixed: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            return cls(**fixed)
        except FileNotFoundError as error:
            raise UserError(
                f"{path} is missing: the run stopped before it had read its data; train it first"
            ) from error
        except (ValueError, TypeError) as error:
            raise UserError(f"{path} cannot be read ({error}): it was not written by this version") from error
