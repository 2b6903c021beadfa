"""From the bytes of an image file to the picture as it looks: uint8 (H, W, C), RGB.

What a file holds is told from its first bytes, never from its name. Orientation (EXIF) is applied, more than 8 bits are
scaled to 8 (`value_range`), transparency lies on white, an animation shows its first frame, colour profiles are not
applied.
"""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from src.data.image_headers import JPEG, NPY, PNG, TIFF, plain_jpeg_size, plain_png_size, require_size
from src.data.value_range import Span, Values, scaled, values_of
from src.errors import UserError

IMAGE_SUFFIXES = frozenset(
    f".{kind}"
    for kinds in ("jpg jpeg jpe jfif jp2", "png gif webp avif bmp", "tif tiff", "ppm pgm pbm pnm", "npy")
    for kind in kinds.split()
)
"""Endings, in lower case, of the files that a folder is searched for."""

Image.MAX_IMAGE_PIXELS = None  # `require_size` is the one rule, for every format and decoder
_LARGE = 1 << 26
"""Pixels from which a process decodes one image at a time, however many threads it has: each takes much memory."""
_LARGE_ONES = threading.Lock()

_FLAGS = {1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR_RGB}
_REDUCED = (2, 4, 8)
"""What libjpeg divides both sides by, rounding up, at less than the full work."""
_REDUCED_FLAGS = (0, *(getattr(cv2, f"IMREAD_REDUCED_GRAYSCALE_{divisor}") for divisor in _REDUCED))


class Unreadable(UserError):
    """An image that cannot be decoded: `reason` completes a sentence that begins with the file's name."""

    def __init__(self, reason: str, path: Path | None = None) -> None:
        super().__init__(reason if path is None else f"{path} {reason}")
        self.reason = reason
        self.path = path

    def __reduce__(self) -> tuple[type[Unreadable], tuple[str, Path | None]]:
        """Cross from a loader's process with the path intact."""
        return type(self), (self.reason, self.path)


def decode(
    data: bytes | Path, channels: int, at_least: int | None = None, span: Span | None = None
) -> NDArray[np.uint8]:
    """Return the image as (H, W, channels), writeable and contiguous.

    With `at_least` a JPEG may come at a half, a quarter or an eighth of its size (`reduced_sizes`), as long as the
    shorter side keeps so many pixels: a third to a half of the time for photographs from a camera.

    One channel is the luminance, three are RGB, whatever the file has. Any other number must be what the file has:
    `.npy` (H, W) or (H, W, C) of numbers, TIFF of many bands, PNG with alpha as 4. Of images of more than 8 bits the
    values of `span` become 0 and 255; without one they are uint16 or floats in [0, 1], over their full range.
    Raises Unreadable where there is no such file, or it is empty, truncated, no image, or of other channels.
    """
    if isinstance(data, bytes):
        return _decode(data, channels, at_least, span)
    try:
        return _decode(data.read_bytes(), channels, at_least, span)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}", data) from None
    except Unreadable as error:
        raise Unreadable(error.reason, data) from None


def reduced_sizes(height: int, width: int, at_least: int | None) -> list[tuple[int, int]]:
    """Return the heights and widths that `decode` may give an image of this size, the smallest last."""
    divisors = [1] if at_least is None else [1, *(d for d in _REDUCED if -(-min(height, width) // d) >= at_least)]
    return [(-(-height // divisor), -(-width // divisor)) for divisor in divisors]


def examine(data: bytes, channels: int) -> Values | None:
    """Return what an image of more than 8 bits holds, None for others. Raises Unreadable where `decode` does."""
    return _values(_load(data, channels, None))


def decoded_size(path: Path, channels: int) -> tuple[int, int]:
    """Return height and width of an image of whatever values. Raises Unreadable where it is none."""
    try:
        height, width = _load(path.read_bytes(), channels, None).shape[:2]
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}", path) from None
    except Unreadable as error:
        raise Unreadable(error.reason, path) from None
    return height, width


def _values(array: NDArray[np.generic]) -> Values | None:
    try:
        return values_of(array)
    except ValueError as error:
        raise Unreadable(str(error)) from None


def _decode(data: bytes, channels: int, at_least: int | None, span: Span | None) -> NDArray[np.uint8]:
    array = _load(data, channels, at_least)
    if span is None and array.dtype not in (np.uint8, np.uint16):
        values = _values(array)
        if values is not None and values.fault is not None:
            raise Unreadable(values.fault)
    image, found = scaled(array, span), array.shape[2]
    if channels == 3 and found == 1:
        image = np.repeat(image, 3, axis=2)
    elif channels == 1 and found == 3:
        image = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)[:, :, None].astype(np.uint8, copy=False)
    return np.ascontiguousarray(image)


def _load(data: bytes, channels: int, at_least: int | None) -> NDArray[np.generic]:
    """Return the values of an image, of whatever type, (H, W, C) with C of the file: what `channels` can be made of."""
    if not data:
        raise Unreadable("is empty (0 bytes)")
    if data.startswith(NPY):
        return _shaped(_load_npy(data), channels)
    if data.startswith(TIFF):
        return _load_tiff(data, channels)
    size = _plain_size(data)
    if size is not None and channels in _FLAGS:
        choices = len(reduced_sizes(*size, at_least)) if data.startswith(JPEG) else 1
        with _alone(*size):
            # None where the file is damaged in a way that its header does not show: Pillow then says how.
            image = cv2.imdecode(np.frombuffer(data, np.uint8), _flags(data, channels) | _REDUCED_FLAGS[choices - 1])
        if image is not None:
            return image.reshape(*image.shape[:2], -1)
    return _load_by_pillow(data, channels)


def _flags(data: bytes, channels: int) -> int:
    """Return how OpenCV is to decode: a PNG of 16 bits keeps them, and its colours where it has any."""
    if data.startswith(PNG) and data[24] == 16:
        return (cv2.IMREAD_COLOR_RGB if data[25] else cv2.IMREAD_GRAYSCALE) | cv2.IMREAD_ANYDEPTH
    return _FLAGS[channels]


def _alone(height: int, width: int) -> contextlib.AbstractContextManager[object]:
    return _LARGE_ONES if height * width > _LARGE else contextlib.nullcontext()


def _plain_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width as the header has them, before EXIF's turn; None where OpenCV is not to be trusted."""
    try:
        if data.startswith(JPEG):
            return plain_jpeg_size(data)
        return plain_png_size(data) if data.startswith(PNG) else None
    except ValueError as error:
        raise Unreadable(str(error)) from None


def _load_by_pillow(data: bytes, channels: int) -> NDArray[np.generic]:
    if data.startswith(JPEG):
        data = data.rstrip(b"\0")  # an interrupted download of reserved length; libjpeg takes zeros for gray
    try:
        with Image.open(io.BytesIO(data)) as image, _alone(image.height, image.width):
            _require_size(image.height, image.width)
            samples = _gray_samples(image)
            if samples > 2 and channels in _FLAGS:  # Pillow would show the first and drop the rest
                raise Unreadable(f"has {samples} channels where data.source.channels={channels}")
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _shaped(_bands(image, channels), channels)
    except Unreadable:
        raise
    except UnidentifiedImageError:
        raise Unreadable(f"is not an image of a known format (it begins with {data[:12]!r})") from None
    except Exception as error:  # Pillow's readers raise whatever a malformed file leads them to
        raise Unreadable(f"is damaged: {error}") from None


def _require_size(height: int, width: int) -> None:
    try:
        require_size(height, width)
    except ValueError as error:
        raise Unreadable(str(error)) from None


def _gray_samples(image: Image.Image) -> int:
    """Return how many samples a pixel of a TIFF has that declares no colours; 1 for everything else."""
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    gray = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) in (0, 1)
    return int(tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1)) if gray else 1


def _bands(image: Image.Image, channels: int) -> NDArray[np.generic]:
    """Return a loaded image's values: RGB or gray for 3 or 1 channels, what the file has otherwise."""
    if image.mode == "I":  # what Pillow makes of 16-bit PGM, among others
        values = np.array(image)
        return values.astype(np.uint16) if 0 <= values.min() <= values.max() <= 0xFFFF else values
    if image.mode.startswith("I;16") or image.mode == "F" or channels not in _FLAGS:
        return np.array(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB").convert("L" if channels == 1 else "RGB"))


def _load_tiff(data: bytes, channels: int) -> NDArray[np.generic]:
    """Pillow knows palettes, CMYK, orientation and all compressions; tifffile any number of bands, and all bits."""
    readers: list[Callable[[bytes, int], NDArray[np.generic]]] = [_load_by_pillow, _load_by_tifffile]
    first, second = readers if channels in _FLAGS and not _is_deep_rgb(data) else reversed(readers)
    try:
        return first(data, channels)
    except Unreadable as error:
        try:
            return second(data, channels)
        except Unreadable as other:
            raise (other if second is _load_by_tifffile else error) from None


def _is_deep_rgb(data: bytes) -> bool:
    """Tell whether a TIFF has colours of more than 8 bits, of which Pillow drops the lower ones, and lies upright."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
            deep = max(tags.get(TiffImagePlugin.BITSPERSAMPLE, (8,))) > 8
            return deep and image.mode in ("RGB", "RGBA", "RGBX") and tags.get(0x0112, 1) == 1
    except Exception:  # the readers say what is wrong with it
        return False


def _load_by_tifffile(data: bytes, channels: int) -> NDArray[np.generic]:
    import tifffile  # a tenth of a second that most data sets can do without

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            series = file.series[0]
            lengths = sorted(series.shape)[-2:]
            _require_size(lengths[0], lengths[-1])
            array, axes = series.asarray(), series.axes
    except Unreadable:
        raise
    except Exception as error:  # as Pillow's, and codecs that are not installed
        raise Unreadable(f"is a damaged or unsupported TIFF: {error}") from None
    if array.ndim == 3:
        band = next((number for number, axis in enumerate(axes) if axis not in "YX"), -1)
        array = np.moveaxis(array, band, -1)
    return _shaped(array, channels)


def _load_npy(data: bytes) -> NDArray[np.generic]:
    try:
        array: NDArray[np.generic] = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # its header is parsed as Python's literals, which fail in many ways
        raise Unreadable(f"is a damaged .npy: {error}") from None
    return array


def _shaped(array: NDArray[np.generic], channels: int) -> NDArray[np.generic]:
    """Return an array as (H, W, C). Raises Unreadable where it is no image, or not one of so many channels."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or 0 in array.shape:
        raise Unreadable(f"has the shape {array.shape}, not (H, W) or (H, W, C)")
    _require_size(*array.shape[:2])
    found = array.shape[2]
    if found != channels and {found, channels} != {1, 3}:
        order = "; it looks like (C, H, W): save it as (H, W, C)" if array.shape[0] == channels else ""
        raise Unreadable(f"has {found} channels where data.source.channels={channels}, shape {array.shape}{order}")
    return array
