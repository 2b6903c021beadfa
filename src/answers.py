"""What a model answered on a split, kept for reports: arrays, and small pictures of the samples that are worth a look.

`answers-SPLIT.npz` in a run directory. Equal answers give equal bytes, and nothing in it is code.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from src.files import atomic

ENTRIES = 8_000_000
"""Numbers that are kept at most: 32 MB as single floats. A report shows little of more."""
SIDE = 224
"""Pixels of a kept picture's longer side; the report shows about 180."""
LOSSLESS = 64
"""Up to this side a picture is kept without loss."""
_ABSENT = 128
"""The gray of a picture that was not kept."""


@dataclass(frozen=True)
class Answers:
    """`kind` is the module of `src/report` that shows them, `values` are what its `sections_from` expects.

    `image(i)` is sample i as evaluation sees it, uint8 (H, W, C); `shown` are the samples that are worth a look.
    """

    kind: str
    values: Mapping[str, NDArray[Any]]
    image: Callable[[int], NDArray[np.uint8]]
    shown: Sequence[int]


def answers_path(run_dir: Path, split: str) -> Path:
    """Return where the answers on a split are kept."""
    return run_dir / f"answers-{split}.npz"


def write_answers(path: Path, answers: Answers) -> None:
    """Write answers whole; nothing where they are more numbers than are worth keeping."""
    if sum(value.size for value in answers.values.values()) > ENTRIES:
        path.unlink(missing_ok=True)
        return
    arrays: dict[str, NDArray[Any]] = {f"value/{name}": value for name, value in answers.values.items()}
    for i in sorted(set(answers.shown)):
        arrays[f"image/{i}"] = np.frombuffer(encoded(answers.image(i))[1], np.uint8)
    with atomic(path) as file:
        np.savez_compressed(file, kind=np.array(answers.kind), **arrays)  # type: ignore[arg-type]


def read_answers(path: Path) -> Answers:
    """Read answers back. Raises OSError where there are none, ValueError or KeyError where the file is not one of ours.

    An image that was not kept is a gray square.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    kind, pictures = str(arrays["kind"]), _named(arrays, "image/")

    def image(i: int) -> NDArray[np.uint8]:
        found = pictures.get(str(i))
        if found is None:
            return np.full((LOSSLESS, LOSSLESS, 3), _ABSENT, np.uint8)
        picture = np.asarray(Image.open(io.BytesIO(found.tobytes())), np.uint8)
        return picture[..., None] if picture.ndim == 2 else picture

    return Answers(kind, _named(arrays, "value/"), image, [int(name) for name in pictures])


def _named(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def encoded(image: NDArray[np.uint8]) -> tuple[str, bytes]:
    """Return format and bytes of uint8 (H, W, C) as PNG where it is small, else as JPEG of at most `SIDE` pixels.

    One or two channels: the first, as gray; more than three: the first three. The same array gives the same bytes.
    """
    channels = image[..., 0] if image.shape[-1] < 3 else image[..., :3]
    picture = Image.fromarray(np.ascontiguousarray(channels))
    kind, options = ("png", {"optimize": True}) if max(picture.size) <= LOSSLESS else ("jpeg", {"quality": 82})
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return kind, buffer.getvalue()
