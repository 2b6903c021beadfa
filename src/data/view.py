"""What part of an image a network saw, and the way back from there to the image's own pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.data.crop import CropBox


@dataclass(frozen=True)
class View:
    """An image of `height` by `width` pixels, seen through `crop`."""

    height: int
    width: int
    crop: CropBox
    working: tuple[int, int] | None = None
    """Height and width that the image was brought to before, in whose pixels `crop` is; None: its own."""

    def boxes_in_image(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return boxes (N, 4), xyxy relative to what was seen, as xyxy in pixels of the image, clipped to it."""
        corners = np.asarray(boxes, np.float64).reshape(-1, 2, 2)
        if self.crop.mirrored:
            corners[..., 0] = 1 - corners[..., 0]
        if self.crop.upside_down:
            corners[..., 1] = 1 - corners[..., 1]
        pixels = np.sort(corners, axis=1) * [self.crop.width, self.crop.height] + [self.crop.left, self.crop.top]
        if self.working is not None:
            pixels = pixels * [self.width / self.working[1], self.height / self.working[0]]
        return np.clip(pixels, 0, [self.width, self.height]).reshape(-1, 4)
