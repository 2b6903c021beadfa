"""A sample as it lies in a chunk: the bytes of its image file beside its targets, and the way back.

The bytes are the file's own, so a stream is as compact as the files, and whatever decodes them sees the same pixels.
A drawn picture becomes a PNG (`.npy` where it has other than 1 or 3 channels), which loses nothing.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from src.data.decode import Unreadable, decode
from src.data.sources.base import Sample
from src.errors import UserError

Item = dict[str, Any]
"""`image` bytes, and a value per target: int, array, or bytes for what is squeezed."""

_SQUEEZED = {"mask": np.int64, "masks": np.uint8}
"""Targets with a value per pixel, all of them 0 to 255 (`Sample`): deflated, with the type they come back as."""
_LENGTHS = np.dtype("<u4")


def pack(sample: Sample, targets: Sequence[str], encoded: bytes | None) -> Item:
    """Return what is written of a sample. `encoded` is its file, or None where it was drawn.

    Bytes that do not decode to the sample's own pixels (a source that does more than decode) are replaced by a PNG.
    """
    image = sample["image"]
    if encoded is None or not _shows(encoded, image):
        encoded = _lossless(image)
    return {"image": encoded} | {key: _packed(key, sample[key]) for key in targets}


def _shows(encoded: bytes, image: NDArray[np.uint8]) -> bool:
    """Tell whether a file decodes to these pixels by itself, without a range of values that is known elsewhere."""
    try:
        return np.array_equal(decode(encoded, image.shape[2]), image)
    except Unreadable:
        return False


def unpack(item: Mapping[str, Any]) -> Item:
    """Return an item with its targets as the source gave them; `image` stays bytes."""
    return {key: _inflated(key, value) if key in _SQUEEZED else value for key, value in item.items()}


def _packed(key: str, value: Any) -> Any:
    if key in _SQUEEZED:
        return _deflated(np.asarray(value))
    return int(value) if np.ndim(value) == 0 else np.ascontiguousarray(value)


def _deflated(values: NDArray[Any]) -> bytes:
    shape = np.array([values.ndim, *values.shape], _LENGTHS).tobytes()
    return shape + zlib.compress(values.astype(np.uint8).tobytes(), level=1)


def _inflated(key: str, data: bytes) -> NDArray[Any]:
    axes = int(np.frombuffer(data, _LENGTHS, 1)[0])
    start = (1 + axes) * _LENGTHS.itemsize
    shape = np.frombuffer(data, _LENGTHS, axes, _LENGTHS.itemsize).tolist()
    values = np.frombuffer(zlib.decompress(data[start:]), np.uint8).reshape(shape)
    return values.astype(_SQUEEZED[key])


def _lossless(image: NDArray[np.uint8]) -> bytes:
    channels = image.shape[2]
    if channels not in (1, 3):
        file = io.BytesIO()
        np.save(file, image, allow_pickle=False)
        return file.getvalue()
    written, data = cv2.imencode(".png", image if channels == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not written:
        raise UserError(f"an image of {image.shape} cannot be written as PNG")
    return data.tobytes()
