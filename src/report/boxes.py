"""Boxes drawn into pictures: for the report, and for whoever predicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from src.data.preview import as_rgb

Colour = tuple[int, int, int]

PREDICTED: Colour = (255, 130, 0)
TRUE: Colour = (0, 185, 255)
_OUTLINE: Colour = (20, 20, 20)
_SHOWN = 192
"""Pixels that a smaller picture is enlarged to before lines are drawn into it."""


def legend(*entries: tuple[str, Colour]) -> Markup:
    """Return what the colours mean, as a line of swatches and words."""
    swatches = [
        Markup('<span style="border:3px solid rgb{};padding:0 .3em">{}</span>').format(colour, words)
        for words, colour in entries
    ]
    return Markup("<p>{}</p>").format(Markup(" ").join(swatches))


def outlined(image: NDArray[np.uint8], boxes: Sequence[tuple[Sequence[float], Colour]]) -> NDArray[np.uint8]:
    """Return an image (H, W, C) as RGB with boxes, corners relative to it, drawn in; small ones are enlarged first."""
    picture = Image.fromarray(as_rgb(image))
    factor = max(1, -(-_SHOWN // max(picture.size)))
    picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    for box, colour in boxes:
        x0, y0, x1, y1 = box
        place = (x0 * picture.width, y0 * picture.height, x1 * picture.width, y1 * picture.height)
        _rectangle(ImageDraw.Draw(picture), place, colour, width=2)
    return np.asarray(picture)


def annotated(image: NDArray[np.uint8], box: Sequence[float] | None, words: str) -> NDArray[np.uint8]:
    """Return an image (H, W, C) as RGB with one box, corners in its pixels, and words above it, or in a corner."""
    picture = Image.fromarray(as_rgb(image))
    draw = ImageDraw.Draw(picture)
    letters = max(11, round(max(picture.size) / 28))
    font = ImageFont.load_default(letters)
    x, y = 0.0, 0.0
    if box is not None:
        x0, y0, x1, y1 = box
        _rectangle(draw, (x0, y0, x1, y1), PREDICTED, width=max(2, round(max(picture.size) / 200)))
        x, y = x0, y0 - 1.4 * letters if y0 >= 1.4 * letters else y0
    left, top, right, bottom = draw.textbbox((x, y), words, font=font)
    x = max(0.0, min(x, picture.width - (right - left) - 2))
    left, top, right, bottom = draw.textbbox((x, y), words, font=font)
    draw.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=PREDICTED)
    draw.text((x, y), words, fill=_OUTLINE, font=font)
    return np.asarray(picture)


def _rectangle(draw: ImageDraw.ImageDraw, place: tuple[float, float, float, float], colour: Colour, width: int) -> None:
    """Draw a rectangle between dark lines, so that it is seen before any background; its middle lies on the edge."""
    x0, y0, x1, y1 = place
    reach = width / 2
    outer = (x0 - reach - 1, y0 - reach - 1, max(x0, x1) + reach + 1, max(y0, y1) + reach + 1)
    draw.rectangle(outer, outline=_OUTLINE, width=width + 2)
    draw.rectangle((outer[0] + 1, outer[1] + 1, outer[2] - 1, outer[3] - 1), outline=colour, width=width)
