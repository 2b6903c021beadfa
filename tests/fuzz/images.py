"""Random image files as they are found in the world: odd sizes, modes, depths and formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

FORMS = (
    *(("RGB", ending) for ending in (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".JPG")),
    *(("L", ending) for ending in (".png", ".jpg", ".tiff")),
    *(
        ("RGBA", ".png"),
        ("LA", ".png"),
        ("P", ".png"),
        ("1", ".png"),
        ("CMYK", ".jpg"),
        ("I;16", ".png"),
        ("P", ".gif"),
    ),
)
"""Modes of Pillow with the endings of files that hold them."""
ORIENTATION = 0x0112


def draw_image(
    random: np.random.Generator, path: Path, hue: int, *, forms: int = len(FORMS)
) -> tuple[Path, tuple[int, int]]:
    """Write an image whose colour tells its class, in one of the first `forms` forms; return its file and size.

    `path` has no ending yet. The size is (width, height), as a viewer shows it.
    """
    mode, ending = FORMS[int(random.integers(forms))]
    width, height = (int(value) for value in random.integers(4, 70, 2))
    colour = np.eye(3)[hue % 3] * 150 + 40 + 15 * (hue // 3)
    pixels = np.clip(colour + random.normal(0, 25, (height, width, 3)), 0, 255).astype(np.uint8)
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * int(random.choice([1, 16, 257])))
    else:
        image = Image.fromarray(pixels).convert(mode)
    file = path.with_name(path.name + ending)
    file.parent.mkdir(parents=True, exist_ok=True)
    if ending == ".jpg" and random.random() < 0.2:
        exif = Image.Exif()
        exif[ORIENTATION] = int(random.integers(1, 9))
        image.save(file, exif=exif)
        if exif[ORIENTATION] > 4:
            width, height = height, width
    else:
        image.save(file)
    return file, (width, height)
