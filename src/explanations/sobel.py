"""Sobel's filters: what a network without learning sees of edges (chapter, section 6.1, Figure 6.1)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import cv2
import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from src.chapter.convolution import SOBEL_X, SOBEL_Y, sum_of_both
from src.data.preview import as_rgb
from src.explanations.drawing import captioned, row
from src.explanations.given import Given
from src.explanations.output import file_name, rounded

WIDEST = 480
"""Pixels to which larger images are brought for the picture; the numbers are of the whole image."""


class Sobel:
    """Both filters over the gray image, their magnitudes, and the sum of these."""

    needs_network: ClassVar[bool] = False

    def __init__(self, *, limit: Annotated[int, Ge(1)] | None) -> None:
        self.limit = limit

    def explain(self, given: Given) -> None:
        """Write a picture per image, and the filters' answers."""
        images, output = given.images, given.output
        output.title = "Sobel"
        output.words = (
            "From left to right: the image; the magnitude of Sobel's filter across, which answers to vertical edges; "
            "of the one down, which answers to horizontal edges; and their sum. White is the largest answer."
        )
        output.numbers = {"horizontal": SOBEL_X.tolist(), "vertical": SOBEL_Y.tolist(), "images": []}
        for item in images.evenly(self.limit):
            across, down = sobel(gray(item.whole))
            total = sum_of_both(across, down)
            stem = file_name(item.position, len(images), item.name)
            output.arrays(stem, {"horizontal": across, "vertical": down, "sum": total})
            output.numbers["images"].append(
                {"image": item.name, "largest": [rounded(float(np.abs(part).max())) for part in (across, down, total)]}
            )
            tiles = [_shown(as_rgb(item.whole)), *(_shown(_white(part)) for part in (across, down, total))]
            words = ("image", "across", "down", "sum")
            named = [captioned(tile, [word]) for tile, word in zip(tiles, words, strict=True)]
            output.picture(stem, row(named), item.name)


def gray(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the luminance (H, W), 0 to 255, of an image (H, W, C)."""
    if image.shape[-1] == 3:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)
    return image[..., 0].astype(np.float32)


def sobel(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the answers (H, W) of both filters at each pixel; beyond the border lie copies of its pixels.

    As in a network, the filter is laid over the image as it is written (equation (6.14)), not turned around.
    """
    across, down = (
        cv2.filter2D(values, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE) for kernel in (SOBEL_X, SOBEL_Y)
    )
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _white(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    magnitude = np.abs(values)
    return as_rgb(np.rint(magnitude / (float(magnitude.max()) or 1.0) * 255).astype(np.uint8)[..., None])


def _shown(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image with its longer side at `WIDEST`, small ones enlarged in whole steps."""
    height, width = image.shape[:2]
    factor = WIDEST / max(height, width)
    if factor >= 2:
        return image.repeat(int(factor), axis=0).repeat(int(factor), axis=1)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(
        cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC), np.uint8
    )
