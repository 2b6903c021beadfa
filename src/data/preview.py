"""A picture of a batch as the network will see it, for a person to look at before training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from src.files import atomic

SHOWN = 64
TILE = 160
"""Pixels of an enlarged image; larger ones are shown as they are."""
CAPTION = 18
COLOURS = ((255, 210, 0), (0, 220, 255), (255, 80, 160), (120, 255, 90), (255, 140, 40), (170, 140, 255))


def save_batch_picture(batch: dict[str, Any], classes: Sequence[str], path: Path) -> Path:
    """Write up to 64 images of a uint8 batch (B, C, H, W), their labels below and their boxes, masks and points drawn.

    Images of one channel are gray; of more than three, the first three are shown.
    """
    count = min(SHOWN, len(batch["image"]))
    tiles = [_tile(batch, classes, i) for i in range(count)]
    columns = min(8, count)
    rows = -(-count // columns)
    height, width = tiles[0].size[1], tiles[0].size[0]
    sheet = Image.new("RGB", (columns * (width + 4) + 4, rows * (height + 4) + 4), (24, 24, 24))
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (4 + (i % columns) * (width + 4), 4 + (i // columns) * (height + 4)))
    with atomic(path) as file:
        sheet.save(file, "PNG")
    return path


def _tile(batch: dict[str, Any], classes: Sequence[str], i: int) -> Image.Image:
    image = as_rgb(batch["image"][i].permute(1, 2, 0).numpy())
    scale = max(1, round(TILE / image.shape[0]))
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    large = _with_masks(np.asarray(large, np.uint8), batch, i)
    height, width = large.shape[:2]
    tile = Image.new("RGB", (width, height + CAPTION), (24, 24, 24))
    tile.paste(Image.fromarray(large))
    draw = ImageDraw.Draw(tile)
    _draw_places(draw, batch, i, (width, height), scale)
    draw.text((2, height + 2), _caption(batch, classes, i), fill=(235, 235, 235), font=ImageFont.load_default(12))
    return tile


def as_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image (H, W, C) with three channels: the first for all of them, or the first three."""
    channels = image.shape[-1]
    if channels < 3:
        return np.repeat(image[..., :1], 3, -1)
    return np.ascontiguousarray(image[..., :3])


def _with_masks(image: NDArray[np.uint8], batch: dict[str, Any], i: int) -> NDArray[np.uint8]:
    """Return the image with each object of `masks` outlined, or each class of `mask` where there are no `masks`."""
    if "masks" in batch:
        layers = [mask.numpy().astype(bool) for mask in batch["masks"][i]]
    elif "mask" in batch:
        mask = batch["mask"][i].numpy()
        layers = [mask == value for value in np.unique(mask) if value not in (0, 255)]
    else:
        return image
    outlined = image.copy()
    for number, layer in enumerate(layers):
        large = cv2.resize(layer.astype(np.uint8), image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        contours, _ = cv2.findContours(large, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(outlined, contours, -1, COLOURS[number % len(COLOURS)])
    return outlined


def _draw_places(draw: ImageDraw.ImageDraw, batch: dict[str, Any], i: int, size: tuple[int, int], scale: int) -> None:
    """Draw boxes and points over the enlarged image of `size` (width, height)."""
    if "boxes" in batch:
        for number, box in enumerate(batch["boxes"][i].tolist()):
            draw.rectangle([value * scale for value in box], outline=COLOURS[number % len(COLOURS)])
    elif "box" in batch:
        x0, y0, x1, y1 = (value * side for value, side in zip(batch["box"][i].tolist(), (*size, *size), strict=True))
        if x1 > x0 and y1 > y0:
            draw.rectangle((x0, y0, x1, y1), outline=COLOURS[0])
    if "keypoints" in batch:
        for (x, y), visible in zip(batch["keypoints"][i].tolist(), batch["visible"][i].tolist(), strict=True):
            if visible:
                draw.ellipse((x * size[0] - 2, y * size[1] - 2, x * size[0] + 2, y * size[1] + 2), fill=COLOURS[2])


def _caption(batch: dict[str, Any], classes: Sequence[str], i: int) -> str:
    """Return the class, or the classes with their shares, and who it is."""
    words = []
    if "label" in batch:
        label = batch["label"][i]
        if label.ndim == 0:
            words.append(classes[int(label)])
        else:
            shares = [(float(share), name) for share, name in zip(label, classes, strict=True) if share > 0]
            words.append(
                ", ".join(name if share == 1 else f"{name} {share:.2f}" for share, name in sorted(shares)[::-1])
            )
    if "identity" in batch and int(batch["identity"][i]) >= 0:
        words.append(f"#{int(batch['identity'][i])}")
    return "  ".join(words) or "no label"
