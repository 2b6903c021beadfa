"""A map of class scores drawn over its image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from src.data.preview import as_rgb
from src.report.boxes import Colour

Rgb = NDArray[np.uint8]

SIDE = 480
"""Pixels of a drawn image's longer side, whatever its own."""
TONES: tuple[Colour, ...] = (
    *((230, 85, 13), (49, 130, 189), (49, 163, 84), (222, 45, 140)),
    *((230, 190, 20), (117, 107, 177), (20, 190, 190), (150, 90, 60)),
)
"""Of the classes that take the most places."""
OTHERS: Colour = (150, 150, 150)
PAPER, INK = (250, 250, 248), (29, 32, 36)
GAP, LETTERS = 8, 15


def picture_of_map(
    image: NDArray[np.uint8],
    probabilities: NDArray[np.floating],
    classes: Sequence[str],
    *,
    begin: tuple[float, float],
    starts: tuple[float, float],
    window: tuple[float, float],
    words: str,
    several: bool = False,
) -> Rgb:
    """Return an image (H, W, C), beside it its map (K, h, w), and below both what the colours mean.

    Each place colours the middle of its window, as far as halfway to the next: the class that is the likeliest there,
    the more, the likelier. Where an image can have `several` classes, places where none is above a half stay gray.
    `begin` is where the first window begins, `starts` how far the windows lie apart and `window` how long they are,
    down and across, as shares of the image.
    """
    left = _sized(as_rgb(image))
    best, surest = probabilities.argmax(0), probabilities.max(0)
    counts = np.bincount(best.ravel(), minlength=len(classes))
    if several:
        counts = np.bincount(best[surest > 0.5].ravel(), minlength=len(classes))
    shown = [int(label) for label in np.argsort(-counts, kind="stable")[: len(TONES)] if counts[label]]
    tones = np.tile(np.array(OTHERS, np.float32), (len(classes), 1))
    for label, tone in zip(shown, TONES, strict=False):
        tones[label] = tone
    chance = 0.5 if several else 1 / max(2, len(classes))
    share = np.clip((surest - chance) / (1 - chance), 0, 1)
    height, width = left.shape[:2]
    rows, inside_rows = _places(height, begin[0], starts[0], window[0], best.shape[0])
    columns, inside_columns = _places(width, begin[1], starts[1], window[1], best.shape[1])
    inside = (inside_rows[:, None] & inside_columns[None, :])[..., None]
    strength = share[rows[:, None], columns[None, :]][..., None] * 0.65 * inside
    gray = cv2.cvtColor(left, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    ground = np.where(inside, gray, gray * 0.45)
    right = np.rint(ground * (1 - strength) + tones[best][rows[:, None], columns[None, :]] * strength)
    gap = np.full((height, GAP, 3), PAPER, np.uint8)
    sheet = np.concatenate([left, gap, right.astype(np.uint8)], axis=1)
    total = best.size
    entries = [(classes[label], tones[label], counts[label] / total) for label in shown]
    rest = counts.sum() - sum(counts[label] for label in shown)
    entries += [("others", np.array(OTHERS), rest / total)] if rest else []
    return _with_legend(sheet, entries, words)


def _sized(image: Rgb) -> Rgb:
    """Return an image whose longer side has `SIDE` pixels; small ones show their pixels as squares."""
    height, width = image.shape[:2]
    factor = SIDE / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC if factor < 4 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(image, size, interpolation=way), np.uint8)


def _places(
    pixels: int, begin: float, start: float, window: float, count: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the place that colours each pixel along an axis, and whether it lies within the places' middles."""
    at = ((np.arange(pixels) + 0.5) / pixels - begin - window / 2) / start
    place = np.floor(at + 0.5).astype(np.int64)
    return np.clip(place, 0, count - 1), (place >= 0) & (place < count)


def _with_legend(sheet: Rgb, entries: Sequence[tuple[str, NDArray[np.floating], float]], words: str) -> Rgb:
    font = ImageFont.load_default(LETTERS)
    line = round(LETTERS * 1.6)
    texts = [f"{name} {share:.0%} of the places" for name, _, share in entries]
    width = max(sheet.shape[1], *(int(font.getlength(text)) + line + GAP for text in texts), int(font.getlength(words)))
    page = Image.new("RGB", (width, sheet.shape[0] + line * (len(texts) + 1) + GAP), PAPER)
    page.paste(Image.fromarray(sheet))
    draw, top = ImageDraw.Draw(page), sheet.shape[0] + GAP // 2
    draw.text((2, top), words, fill=INK, font=font)
    for text, (_, tone, _) in zip(texts, entries, strict=True):
        top += line
        draw.rectangle((2, top + 3, 2 + LETTERS, top + 3 + LETTERS), fill=tuple(int(value) for value in tone))
        draw.text((2 + line, top), text, fill=INK, font=font)
    return np.asarray(page)
