"""From the bytes of an image file to the picture as it looks: uint8 (H, W, C), RGB.

What a file holds is told from its first bytes, never from its name. Orientation (EXIF) is applied, 16 bits are scaled
to 8, transparency lies on white, an animation shows its first frame, colour profiles are not applied.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from src.data.image_headers import JPEG, NPY, PNG, TIFF, plain_jpeg_size, plain_png_size
from src.errors import UserError

IMAGE_SUFFIXES = frozenset(
    f".{kind}"
    for kinds in ("jpg jpeg jpe jfif jp2", "png gif webp avif bmp", "tif tiff", "ppm pgm pbm pnm", "npy")
    for kind in kinds.split()
)
"""Endings, in lower case, of the files that a folder is searched for."""

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


def decode(data: bytes | Path, channels: int, at_least: int | None = None) -> NDArray[np.uint8]:
    """Return the image as (H, W, channels), writeable and contiguous.

    With `at_least` a JPEG may come at a half, a quarter or an eighth of its size (`reduced_sizes`), as long as the
    shorter side keeps so many pixels: a third to a half of the time for photographs from a camera.

    One channel is the luminance, three are RGB, whatever the file has. Any other number must be what the file has:
    `.npy` (H, W) or (H, W, C) of uint8, uint16 or floats in [0, 1], TIFF of many bands, PNG with alpha as 4.
    Raises Unreadable where there is no such file, or it is empty, truncated, no image, or of other channels.
    """
    if isinstance(data, bytes):
        return _decode(data, channels, at_least)
    try:
        return _decode(data.read_bytes(), channels, at_least)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}", data) from None
    except Unreadable as error:
        raise Unreadable(error.reason, data) from None


def reduced_sizes(height: int, width: int, at_least: int | None) -> list[tuple[int, int]]:
    """Return the heights and widths that `decode` may give an image of this size, the smallest last."""
    divisors = [1] if at_least is None else [1, *(d for d in _REDUCED if -(-min(height, width) // d) >= at_least)]
    return [(-(-height // divisor), -(-width // divisor)) for divisor in divisors]


def _decode(data: bytes, channels: int, at_least: int | None) -> NDArray[np.uint8]:
    if not data:
        raise Unreadable("is empty (0 bytes)")
    if data.startswith(NPY):
        return _fit(_load_npy(data), channels)
    if data.startswith(TIFF):
        return _decode_tiff(data, channels)
    size = _plain_size(data)
    if size is not None and channels in _FLAGS:
        choices = len(reduced_sizes(*size, at_least)) if data.startswith(JPEG) else 1
        # None where the file is damaged in a way that its header does not show: Pillow then says how.
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[channels] | _REDUCED_FLAGS[choices - 1])
        if image is not None:
            return image.reshape(*image.shape[:2], channels).astype(np.uint8, copy=False)
    return _decode_by_pillow(data, channels)


def _plain_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width as the header has them, before EXIF's turn; None where OpenCV is not to be trusted."""
    try:
        if data.startswith(JPEG):
            return plain_jpeg_size(data)
        return plain_png_size(data) if data.startswith(PNG) else None
    except ValueError as error:
        raise Unreadable(str(error)) from None


def _decode_by_pillow(data: bytes, channels: int) -> NDArray[np.uint8]:
    if data.startswith(JPEG):
        data = data.rstrip(b"\0")  # an interrupted download of reserved length; libjpeg takes zeros for gray
    try:
        with Image.open(io.BytesIO(data)) as image:
            samples = _gray_samples(image)
            if samples > 2 and channels in _FLAGS:  # Pillow would show the first and drop the rest
                raise Unreadable(f"has {samples} channels where data.source.channels={channels}")
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _fit(_bands(image, channels), channels)
    except Unreadable:
        raise
    except UnidentifiedImageError:
        raise Unreadable(f"is not an image of a known format (it begins with {data[:12]!r})") from None
    except Exception as error:  # Pillow's readers raise whatever a malformed file leads them to
        raise Unreadable(f"is damaged: {error}") from None


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


def _decode_tiff(data: bytes, channels: int) -> NDArray[np.uint8]:
    """Pillow knows palettes, CMYK, orientation and all compressions; tifffile any number of bands and floats."""
    readers: list[Callable[[bytes, int], NDArray[np.uint8]]] = [_decode_by_pillow, _decode_by_tifffile]
    first, second = readers if channels in _FLAGS else reversed(readers)
    try:
        return first(data, channels)
    except Unreadable as error:
        try:
            return second(data, channels)
        except Unreadable as other:
            raise (other if second is _decode_by_tifffile else error) from None


def _decode_by_tifffile(data: bytes, channels: int) -> NDArray[np.uint8]:
    import tifffile  # a tenth of a second that most data sets can do without

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            series = file.series[0]
            array, axes = series.asarray(), series.axes
    except Exception as error:  # as Pillow's, and codecs that are not installed
        raise Unreadable(f"is a damaged or unsupported TIFF: {error}") from None
    if array.ndim == 3:
        band = next((number for number, axis in enumerate(axes) if axis not in "YX"), -1)
        array = np.moveaxis(array, band, -1)
    return _fit(array, channels)


def _load_npy(data: bytes) -> NDArray[np.generic]:
    try:
        array: NDArray[np.generic] = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # its header is parsed as Python's literals, which fail in many ways
        raise Unreadable(f"is a damaged .npy: {error}") from None
    return array


def _fit(array: NDArray[np.generic], channels: int) -> NDArray[np.uint8]:
    """Bring an array of any supported type to uint8 (H, W, channels)."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or 0 in array.shape:
        raise Unreadable(f"has the shape {array.shape}, not (H, W) or (H, W, C)")
    found = array.shape[2]
    if found != channels and {found, channels} != {1, 3}:
        order = "; it looks like (C, H, W): save it as (H, W, C)" if array.shape[0] == channels else ""
        raise Unreadable(f"has {found} channels where data.source.channels={channels}, shape {array.shape}{order}")
    image = _to_uint8(array)
    if channels == 3 and found == 1:
        image = np.repeat(image, 3, axis=2)
    elif channels == 1 and found == 3:
        image = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)[:, :, None].astype(np.uint8, copy=False)
    return np.ascontiguousarray(image)


def _to_uint8(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Scale the full range of the type to 0..255, rounding to the nearest."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint8:
        return array.astype(np.uint8, copy=False)
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if not np.issubdtype(array.dtype, np.floating):
        raise Unreadable(f"has values of type {array.dtype}: save it as uint8, uint16 or floats in [0, 1]")
    values = array.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if not 0 <= low <= high <= 1:  # also false for NaN
        raise Unreadable(f"has floats from {low:g} to {high:g}: they must lie in [0, 1]")
    return np.rint(values * 255).astype(np.uint8)
