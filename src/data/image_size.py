"""How large images are, from their files' headers, without decoding them; and the input size that suits them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from src.data.decode import Unreadable, decoded_size
from src.data.image_headers import PNG, require_size, upright_size
from src.data.sources.base import Source
from src.seeds import generator

_LOOKED_AT = 500
"""Images of a source whose headers are read: a tenth of a second, and the median of more would be the same."""
_HEADER = 1 << 13
"""Bytes of a file in which the size of most JPEGs stands."""
_SMALLEST, _LARGEST, _STEP = 28, 224, 4
"""Pixels: what the smallest networks take, what ImageNet's were made for, and what sizes are multiples of."""

_ORIENTATION = 0x0112
_TURNED = range(5, 9)
"""Values of EXIF's orientation for which width and height are exchanged when the image is shown."""


def image_size(path: Path | str, channels: int) -> tuple[int, int]:
    """Return height and width as `decode` would give them; what Pillow does not know, or refuses, is decoded.

    Raises Unreadable where the file is no image.
    """
    size = _from_header(path)
    if size is not None:
        return _allowed(*size, path)
    path = Path(path)
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION) in _TURNED
    except (UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError, struct.error):
        return decoded_size(path, channels)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}", path) from None
    except Exception as error:  # Pillow's readers raise whatever a malformed file leads them to
        raise Unreadable(f"is damaged: {error}", path) from None
    return _allowed(*((width, height) if turned else (height, width)), path)


def _from_header(path: Path | str) -> tuple[int, int] | None:
    """Return what the first bytes say, where they do: of a large set every header is read before training."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - half of the time of Path's
            data = file.read(_HEADER)
            if data.startswith(PNG) and len(data) == _HEADER:
                data += file.read()
    except OSError:
        return None  # Pillow says it
    size = upright_size(data)
    return size if size is not None and all(size) else None


def _allowed(height: int, width: int, path: Path | str) -> tuple[int, int]:
    try:
        require_size(height, width)
    except ValueError as error:
        raise Unreadable(str(error), Path(path)) from None
    return height, width


def suitable_size(source: Source) -> tuple[int, str]:
    """Return the input size for a source that was set up, and what it follows from.

    It is the source's own, or the median shorter side of its images, rounded up to a multiple of 4, from 28 to 224.
    """
    if source.image_size is not None:
        return source.image_size, "the data set"
    drawn = generator(0, "image_size").permutation(len(source))[:_LOOKED_AT].tolist()
    sides = []
    for path in filter(None, map(source.path, drawn)):
        try:
            sides.append(min(image_size(path, source.channels)))
        except Unreadable:  # it is told later, with all others
            continue
    if not sides:
        return _LARGEST, "what is usual, as no image says more"
    median = float(np.median(sides))
    size = min(_LARGEST, max(_SMALLEST, -int(-median // _STEP) * _STEP))
    return size, f"the median shorter side of {len(sides)} of its images, {median:g} px"
