"""How large an image is, from its file's header, without decoding it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from src.data.decode import Unreadable, decode
from src.data.image_headers import require_size

_ORIENTATION = 0x0112
_TURNED = range(5, 9)
"""Values of EXIF's orientation for which width and height are exchanged when the image is shown."""


def image_size(path: Path, channels: int) -> tuple[int, int]:
    """Return height and width as `decode` would give them; a format that Pillow does not know is decoded.

    Raises Unreadable where the file is no image.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION) in _TURNED
    except UnidentifiedImageError:
        rows, columns = decode(path, channels).shape[:2]
        return rows, columns
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}", path) from None
    except Exception as error:  # Pillow's readers raise whatever a malformed file leads them to
        raise Unreadable(f"is damaged: {error}", path) from None
    try:
        require_size(height, width)
    except ValueError as error:
        raise Unreadable(str(error), path) from None
    return (width, height) if turned else (height, width)
