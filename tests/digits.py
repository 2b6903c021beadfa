"""Real images that come with scikit-learn: 1,797 handwritten digits of 8 x 8 pixels, as folders of enlarged files."""

from __future__ import annotations

from pathlib import Path

import cv2
from sklearn.datasets import load_digits

TRAIN = 1297


def write_digits(root: Path, size: int = 28) -> Path:
    """Write the first 1,297 to `train`, the last 500 to `test`, with `size` pixels; returns `root`."""
    found = load_digits()
    for number, (image, label) in enumerate(zip(found.images, found.target, strict=True)):
        path = root / ("train" if number < TRAIN else "test") / str(label) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.resize((image * 15.9375).astype("uint8"), (size, size)))
    return root
