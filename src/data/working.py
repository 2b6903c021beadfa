"""The size that images are worked with: brought to it once, whichever medium they are then read from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from src.data.crop import CropBox, cut_mask, resized
from src.data.sources.base import Sample


@dataclass(frozen=True)
class WorkingSize:
    """`side` pixels of the shorter side with the aspect kept, or of both sides of a `square`.

    With the aspect kept nothing is enlarged: an image with a shorter side stays as it is, since the crop will scale it
    anyway. A square is a square for every image, small ones are enlarged to it and long ones are squeezed.
    """

    side: int
    square: bool = False

    def of(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width that an image of this size is brought to."""
        if self.square:
            return self.side, self.side
        shorter = min(height, width)
        if shorter <= self.side:
            return height, width
        return round(height * self.side / shorter), round(width * self.side / shorter)

    def fitted(self, sample: Sample) -> Sample:
        """Return a sample at this size with all its targets: relative ones stay, pixel boxes and masks are scaled.

        `boxes` are in pixels of `image`; masks may have another size than it (a decoder has reduced the image).
        """
        image = sample["image"]
        height, width = self.of(*image.shape[:2])
        seen = sample | {"image": resized(image, height, width)}
        if "boxes" in sample:
            scale = np.tile([width / image.shape[1], height / image.shape[0]], 2)
            seen["boxes"] = (sample["boxes"] * scale).astype(np.float32)
        for key in ("mask", "masks"):
            if key in sample:
                whole = CropBox(0, 0, *sample[key].shape[-2:])
                seen[key] = cut_mask(sample[key], whole, (height, width))
        return seen
