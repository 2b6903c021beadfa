"""Panels of numbers and images side by side, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from src.chapter.convolution import Matrix

CELL = 44
"""Pixels of a number's square."""
GAP, MARGIN, TITLE = 36, 28, 30
INK, PAPER, LINE, LIT = (24, 28, 36), (255, 255, 255), (176, 182, 192), (255, 224, 130)


@dataclass(frozen=True)
class Panel:
    """A matrix (H, W) under a title: its numbers, or its values as grey where it is an image."""

    title: str
    values: Matrix
    lit: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    """Cells (row, column) that stand out."""
    image: bool = False


def drawn(panels: Sequence[Panel], caption: str, heading: str) -> Image.Image:
    """Return the panels in a row below a heading, their tops in line, with lines of words below them."""
    tiles = [_image(panel) if panel.image else _grid(panel) for panel in panels]
    height = max(tile.height for tile in tiles)
    font, large = ImageFont.load_default(16), ImageFont.load_default(20)
    lines = caption.split("\n")
    longest = max(*(font.getlength(line) for line in lines), large.getlength(heading))
    width = max(sum(tile.width for tile in tiles) + GAP * (len(tiles) - 1), int(longest))
    top = MARGIN + TITLE
    sheet = Image.new("RGB", (width + 2 * MARGIN, top + height + MARGIN + TITLE * len(lines)), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN - 10), heading, fill=INK, font=large)
    left = MARGIN
    for tile in tiles:
        sheet.paste(tile, (left, top))
        left += tile.width + GAP
    for number, line in enumerate(lines):
        draw.text((MARGIN, top + height + 10 + number * TITLE), line, fill=INK, font=font)
    return sheet


def _grid(panel: Panel) -> Image.Image:
    rows, columns = panel.values.shape
    font, small = ImageFont.load_default(16), ImageFont.load_default(15)
    width = max(columns * CELL + 1, int(small.getlength(panel.title)) + 2)
    tile = Image.new("RGB", (width, rows * CELL + TITLE + 1), PAPER)
    draw = ImageDraw.Draw(tile)
    draw.text((0, 4), panel.title, fill=INK, font=small)
    for row in range(rows):
        for column in range(columns):
            left, top = column * CELL, TITLE + row * CELL
            fill = LIT if (row, column) in panel.lit else PAPER
            draw.rectangle((left, top, left + CELL, top + CELL), fill=fill, outline=LINE)
            value = panel.values[row, column]
            text = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
            fitting = font if font.getlength(text) < CELL - 4 else ImageFont.load_default(11)
            draw.text((left + CELL / 2, top + CELL / 2), text, fill=INK, font=fitting, anchor="mm")
    return tile


def _image(panel: Panel, least: int = 220) -> Image.Image:
    picture = Image.fromarray(as_gray(panel.values))
    scale = max(1, round(least / max(picture.size)))
    picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    font = ImageFont.load_default(15)
    tile = Image.new("RGB", (max(picture.width, int(font.getlength(panel.title)) + 2), picture.height + TITLE), PAPER)
    ImageDraw.Draw(tile).text((0, 4), panel.title, fill=INK, font=font)
    tile.paste(picture.convert("RGB"), (0, TITLE))
    return tile


def as_gray(values: Matrix) -> NDArray[np.uint8]:
    """Return values as uint8, the smallest black and the largest white; equal ones are mid-grey."""
    low, high = float(values.min()), float(values.max())
    if high == low:
        return np.full(values.shape, 128, np.uint8)
    return np.round((values - low) / (high - low) * 255).astype(np.uint8)
