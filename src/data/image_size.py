"""How large an image is, from its file's header, without decoding it."""

from __future__ import annotations

import struct
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from src.data.decode import Unreadable, decode

_ORIENTATION = 0x0112
_TURNED = range(5, 9)
"""Values of EXIF's orientation for which width and height are exchanged when the image is shown."""


def image_size(path: Path, channels: int) -> tuple[int, int]:
    """Return height and width as `decode` would give them; what Pillow does not know, or refuses, is decoded.

    Raises Unreadable where the file is no image.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION) in _TURNED
    except (UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError, struct.error):
        rows, columns = decode(path, channels).shape[:2]
        return rows, columns
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}", path) from None
    return (width, height) if turned else (height, width)
