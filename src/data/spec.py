"""What a model needs to know of its data, and what a run directory keeps so that it can predict without them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from src.data.crop import EvalCrop
from src.data.working import WorkingSize
from src.errors import UserError


@dataclass(frozen=True)
class DataSpec:
    """The data as a model sees them. `mean` and `std` have one value per channel, in units of [0, 1] images."""

    targets: tuple[str, ...]
    classes: tuple[str, ...]
    channels: int
    image_size: int
    eval_crop: EvalCrop
    mean: tuple[float, ...]
    std: tuple[float, ...]
    multilabel: bool
    num_keypoints: int
    class_counts: tuple[int, ...]
    """Training samples of each class, in the order of `classes`."""
    train_samples: int
    digest: str
    """Over the content of every sample used, and which of them each split has, in order."""
    contents: str = ""
    """Over the content of every sample used, however they are divided."""
    mean_boxes: tuple[tuple[float, float, float, float], ...] = ()
    """The mean box of each class in train, as evaluation sees it; empty where the data have no boxes."""
    working_size: int | None = None
    working_square: bool = False
    span: tuple[float, float] | None = None
    """The values that become 0 and 255 in images of more than 8 bits; None: the full range of their type."""

    @property
    def working(self) -> WorkingSize | None:
        """Return the size that images are brought to before all else; None for their own."""
        return None if self.working_size is None else WorkingSize(self.working_size, self.working_square)

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
            return cls(**{key: _fixed(value) for key, value in values.items()})
        except FileNotFoundError as error:
            raise UserError(
                f"{path} is missing: the run stopped before it had read its data; train it first"
            ) from error
        except (ValueError, TypeError) as error:
            raise UserError(f"{path} cannot be read ({error}): it was not written by this version") from error


def _fixed(value: Any) -> Any:
    """Return a JSON value with tuples in place of lists."""
    return tuple(map(_fixed, value)) if isinstance(value, list) else value
