"""Random image files as they are found in the world: odd sizes, modes, depths and formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

FORMS = (
    *(("RGB", ending) for ending in (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".JPG")),
    *(("L", ending) for ending in (".png", ".jpg", ".tiff", ".pgm")),
    *(("RGBA", ".png"), ("LA", ".png"), ("P", ".png"), ("1", ".png"), ("1", ".tif"), ("CMYK", ".jpg"), ("P", ".gif")),
    *(("I;16", ".png"), ("I;16", ".tif"), ("F", ".tif"), ("F", ".npy")),
)
"""Modes of Pillow with the endings of files that hold them."""
ORIENTATION = 0x0112
TYPES = ("uint8", "uint16", "float32")
"""Of arrays with a number of channels that is their own."""


def draw_image(
    random: np.random.Generator, path: Path, hue: int, *, channels: int | None = None
) -> tuple[Path, tuple[int, int]]:
    """Write an image whose colour tells its class; return its file and size.

    `path` has no ending yet. The size is (width, height), as a viewer shows it. With `channels` it is an array of so
    many, else in one of the forms above.
    """
    width, height = (int(value) for value in random.integers(4, 70, 2))
    if random.random() < 0.03:
        width, height = (width, int(random.integers(1, 4))) if random.random() < 0.5 else (300, height)
    colour = np.eye(3)[hue % 3] * 150 + 40 + 15 * (hue // 3)
    pixels = np.clip(colour + random.normal(0, 25, (height, width, 3)), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    if channels is not None:
        return _write_array(random, path, np.resize(pixels, (height, width, channels))), (width, height)
    mode, ending = FORMS[int(random.integers(len(FORMS)))]
    file = path.with_name(path.name + ending)
    if ending == ".jpg" and random.random() < 0.2:
        exif = Image.Exif()
        exif[ORIENTATION] = int(random.integers(1, 9))
        Image.fromarray(pixels).convert(mode).save(file, exif=exif)
        return file, (height, width) if exif[ORIENTATION] > 4 else (width, height)
    if mode in ("I;16", "F"):
        _write_deep(random, file, mode, pixels[..., 0])
    else:
        Image.fromarray(pixels).convert(mode).save(file)
    return file, (width, height)


def _write_deep(random: np.random.Generator, file: Path, mode: str, gray: NDArray[np.uint8]) -> None:
    """Write an image of more than 8 bits: over the range of its type, or over little of it."""
    if mode == "I;16":
        Image.fromarray(gray.astype(np.uint16) * int(random.choice([1, 16, 257]))).save(file)
    elif file.suffix == ".npy":
        np.save(file, gray.astype(np.float32) / 255)
    else:
        tifffile.imwrite(file, gray.astype(np.float32) / int(random.choice([255, 2550])))


def _write_array(random: np.random.Generator, path: Path, pixels: NDArray[np.uint8]) -> Path:
    kind = str(random.choice(TYPES))
    array = pixels.astype(np.float32) / 255 if kind == "float32" else pixels.astype(kind)
    if random.random() < 0.5:
        file = path.with_name(path.name + ".npy")
        np.save(file, array)
    else:
        file = path.with_name(path.name + ".tif")
        tifffile.imwrite(file, array, photometric="minisblack", planarconfig="contig")
    return file
