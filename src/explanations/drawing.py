"""Pictures put together: tiles with words below them, grids, and numbers as colours."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from src.data.preview import as_rgb
from src.report.boxes import PREDICTED

Rgb = NDArray[np.uint8]

PAPER = (250, 250, 248)
INK = (29, 32, 36)
MUTED = (100, 106, 114)
GAP = 8
LETTERS = 14
TILE = 320
"""Pixels of an image that is shown beside others."""
RED, BLUE = np.array([214, 47, 39], np.float32), np.array([33, 102, 172], np.float32)


def heat(values: NDArray[np.floating]) -> Rgb:
    """Return numbers (H, W) in [0, 1] as colours (H, W, 3), from black over red to light yellow."""
    gray = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(gray, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB), np.uint8)


def scaled(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return numbers that are not negative as shares of the largest; all of them 0 where that is 0."""
    return (values / (float(np.max(values)) or 1.0)).astype(np.float32)


def about_gray(values: NDArray[np.floating], share: float = 1.0) -> Rgb:
    """Return signed numbers (H, W) or (H, W, 3) with 0 as middle gray and the largest magnitude at black or white.

    With a `share` below 1, a magnitude that so many do not reach is already black or white, as larger ones are.
    """
    magnitudes = np.abs(values)
    most = float(np.quantile(magnitudes, share)) or float(magnitudes.max()) or 1.0
    shown = np.clip(values / most, -1, 1) * 0.5 + 0.5
    return as_rgb(np.atleast_3d(np.rint(shown * 255).astype(np.uint8)))


def resized(values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return numbers (H, W) at another size, bilinearly between the centres of their cells."""
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def under_heat(image: Rgb, values: NDArray[np.float32]) -> Rgb:
    """Return a grayed image (H, W, 3) below the colours of numbers in [0, 1], which are brought to its size."""
    height, width = image.shape[:2]
    share = np.clip(resized(values, height, width), 0, 1)
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    mixed = gray * 0.5 + heat(share) * 0.5
    return np.asarray(np.rint(mixed), np.uint8)


def under_signs(image: Rgb, values: NDArray[np.float32]) -> Rgb:
    """Return a grayed image below red where numbers (H, W) are positive and blue where negative, by their magnitude."""
    height, width = image.shape[:2]
    large = resized(values, height, width)
    share = np.clip(np.abs(large), 0, 1)[..., None] * 0.8
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    colour = np.where(large[..., None] > 0, RED, BLUE)
    return np.asarray(np.rint((gray * 0.75 + 50) * (1 - share) + colour * share), np.uint8)


def fitted(image: Rgb, side: int, *, squares: bool = False) -> Rgb:
    """Return an image (H, W, C) in the middle of a square of `side` pixels; `squares` shows its pixels as squares."""
    image = as_rgb(image)
    height, width = image.shape[:2]
    factor = side / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    large = stretched(image, *size, squares=squares)
    square = np.full((side, side, 3), 225, np.uint8)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = large
    return square


def stretched(image: Rgb, width: int, height: int, *, squares: bool = False) -> Rgb:
    """Return an image (H, W, C) as RGB of another size; `squares` shows its pixels as squares."""
    way = cv2.INTER_NEAREST if squares else cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(as_rgb(image), (width, height), interpolation=way), np.uint8)


def grid(tiles: Sequence[Rgb], columns: int, gap: int = 2, paper: tuple[int, int, int] = (255, 255, 255)) -> Rgb:
    """Return tiles of one size in rows."""
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = np.empty((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), np.uint8)
    sheet[:] = paper
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def captioned(image: Rgb, lines: Sequence[str], letters: int = LETTERS) -> Rgb:
    """Return an image with lines of words below it, cut at its width; the first stands out."""
    height, width = image.shape[:2]
    line = round(letters * 1.35)
    sheet = Image.new("RGB", (width, height + len(lines) * line + 2), PAPER)
    sheet.paste(Image.fromarray(image))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(letters)
    for number, words in enumerate(lines):
        shown = _cut(words, font, width)
        draw.text((0, height + 2 + number * line), shown, fill=MUTED if number else INK, font=font)
    return np.asarray(sheet)


def row(images: Sequence[Rgb], gap: int = GAP) -> Rgb:
    """Return images beside each other, their tops in line."""
    height, width = max(len(image) for image in images), sum(image.shape[1] for image in images)
    sheet = np.empty((height, width + gap * (len(images) - 1), 3), np.uint8)
    sheet[:] = PAPER
    left = 0
    for image in images:
        sheet[: len(image), left : left + image.shape[1]] = image
        left += image.shape[1] + gap
    return sheet


def column(images: Sequence[Rgb], gap: int = GAP) -> Rgb:
    """Return images below each other, their left sides in line."""
    height, width = sum(len(image) for image in images), max(image.shape[1] for image in images)
    sheet = np.empty((height + gap * (len(images) - 1), width, 3), np.uint8)
    sheet[:] = PAPER
    top = 0
    for image in images:
        sheet[top : top + len(image), : image.shape[1]] = image
        top += len(image) + gap
    return sheet


def titled(image: Rgb, title: str, margin: int = 16, letters: int = 18) -> Rgb:
    """Return a page: an image below a title, with a margin around both."""
    height, width = image.shape[:2]
    head = round(letters * 1.8)
    sheet = Image.new("RGB", (width + 2 * margin, height + head + 2 * margin), PAPER)
    font = ImageFont.load_default(letters)
    ImageDraw.Draw(sheet).text((margin, margin), _cut(title, font, width), fill=INK, font=font)
    sheet.paste(Image.fromarray(image), (margin, margin + head))
    return np.asarray(sheet)


def framed(image: Rgb, box: Sequence[float], colour: tuple[int, int, int], width: int = 3) -> Rgb:
    """Return an image with a box, xyxy in its pixels, drawn in."""
    picture = Image.fromarray(image)
    ImageDraw.Draw(picture).rectangle([round(value) for value in box], outline=colour, width=width)
    return np.asarray(picture)


def with_box(image: Rgb, box: Sequence[float] | None) -> Rgb:
    """Return an image with the box that a model finds in it, xyxy relative to it, drawn in; without one as it is."""
    return image if box is None else framed(image, [value * image.shape[0] for value in box], PREDICTED, 2)


def _cut(words: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Return as many of the words' letters as fit."""
    words = words.encode("utf-8", "replace").decode("utf-8")
    if font.getlength(words) <= width:
        return words
    while words and font.getlength(words + "...") > width:
        words = words[:-1]
    return words + "..."
