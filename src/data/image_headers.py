"""What the first bytes of an image file say: its format, and whether OpenCV may be trusted with it.

OpenCV is the fastest decoder at hand, but it drops transparency, misreads CMYK, prints to standard error, and (up to
4.13) returns half a picture for a truncated file. A plain file is one that it shows as it looks.
"""

from __future__ import annotations

import zlib

JPEG = b"\xff\xd8\xff"
PNG = b"\x89PNG\r\n\x1a\n"
NPY = b"\x93NUMPY"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

LARGEST = 1 << 29
"""Pixels of an image that is read, of whatever format: in colours it takes 1.5 GiB of memory."""
_LARGE = 1 << 24  # pixels of a JPEG whose size is believed only if there are bytes for so many
_PIXELS_PER_BYTE = 1024  # more than any JPEG holds: a block of 64 pixels takes a bit at least
_END_OF_IMAGE = b"\xff\xd9"
_START_OF_SCAN = 0xDA
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length: TEM, RSTn, SOI
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOFn without DHT, JPG, DAC
_PLAIN_COLOURS = frozenset({0, 2})  # gray and RGB; 3 is palette, 4 and 6 have alpha
_UNLIKE_OPENCV = frozenset({b"tRNS", b"acTL"})  # transparency, animation


def require_size(height: int, width: int, encoded: int | None = None) -> None:
    """Raise ValueError where an image is larger than any that is read, or than a JPEG of `encoded` bytes can be.

    A damaged size must not fill the memory.
    """
    if height * width > LARGEST:
        raise ValueError(f"has {width} x {height} pixels, which exceeds the limit of {LARGEST:,}: make it smaller")
    if encoded is not None and height * width > max(_LARGE, _PIXELS_PER_BYTE * encoded):
        raise ValueError(f"is damaged: {encoded} bytes cannot hold the {width} x {height} pixels that it announces")


def plain_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width of a JPEG that is gray or YCbCr of 8 bits, and reaches its end.

    Raises ValueError with the reason where it is too large.

    Compressed data escape 0xFF, so the first end marker after the start of a scan is the true one: whatever a camera
    appends behind it does no harm, and a thumbnail's own end before it does not deceive.
    """
    position, size = 2, None
    while position + 9 < len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in _START_OF_FRAME:
            height, width = (int.from_bytes(data[position + at : position + at + 2], "big") for at in (5, 7))
            require_size(height, width, len(data))
            size = (height, width) if data[position + 4] == 8 and data[position + 9] in (1, 3) else None
        if marker == _START_OF_SCAN:
            return size if data.find(_END_OF_IMAGE, position) >= 0 else None
        position += 2 if marker in _STANDALONE else 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None


def plain_png_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width of a PNG that is gray or RGB of 8 or 16 bits, without transparency or animation.

    Raises ValueError with the reason where it is too large or truncated, or a critical chunk fails its checksum.
    """
    position, size = len(PNG), None
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        critical = not kind[0] & 0x20
        if end + 4 > len(data):
            break
        if critical and zlib.crc32(memoryview(data)[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ValueError(f"is corrupt (chunk {kind.decode('latin-1')} at byte {position} fails its checksum)")
        if kind == b"IHDR":
            width, height = (int.from_bytes(data[position + at : position + at + 4], "big") for at in (8, 12))
            require_size(height, width)
            size = (height, width) if data[position + 16] in (8, 16) and data[position + 17] in _PLAIN_COLOURS else None
        elif kind in _UNLIKE_OPENCV:
            size = None
        elif kind == b"IEND":
            return size
        position = end + 4
    raise ValueError(f"is truncated (a PNG of {len(data)} bytes without its end)")


def upright_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width of a JPEG or PNG that no EXIF turns, from as many of its first bytes as there are.

    None where they do not tell: another format, EXIF, or a header that is longer. A PNG is to be there whole, since its
    EXIF may follow its pixels. Fifteen times as fast as Pillow, which decodes a PNG for that.
    """
    if data.startswith(PNG):
        known = data[12:16] == b"IHDR" and len(data) >= 24 and b"eXIf" not in data
        return (int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")) if known else None
    position = 2
    while data.startswith(JPEG) and position + 9 < len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in _START_OF_FRAME:
            return int.from_bytes(data[position + 5 : position + 7], "big"), int.from_bytes(data[position + 7 : position + 9], "big")  # fmt: skip # noqa: E501
        if marker == 0xE1 or marker == _START_OF_SCAN or marker in _STANDALONE or marker == 0xFF:
            return None
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None
