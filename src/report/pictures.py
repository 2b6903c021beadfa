"""Small pictures inside the page: data addresses instead of files."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from src.report.layout import render

MAX_SIDE = 224
"""Pixels of the longer side; the page shows about 180."""
SMALL = 64
"""Up to this side a picture is kept without loss and shown with its pixels as squares."""


@dataclass(frozen=True)
class Picture:
    """`image` uint8 (H, W, C); `lines` of words and a figure, the first stands out; `path`, relative, comes last."""

    image: NDArray[np.uint8]
    lines: Sequence[tuple[str, str]]
    path: str


def gallery(pictures: Sequence[Picture]) -> Markup:
    """Lay pictures out in rows, each with its lines below it."""
    shown = [
        {"picture": one, "src": data_url(one.image), "small": max(one.image.shape[:2]) <= SMALL} for one in pictures
    ]
    return render("gallery.html", shown=shown)


def data_url(image: NDArray[np.uint8]) -> str:
    """Encode uint8 (H, W, C) as PNG where it is small, else as JPEG of at most `MAX_SIDE` pixels.

    One or two channels: the first, as gray; more than three: the first three. The same array gives the same bytes.
    """
    channels = image[..., 0] if image.shape[-1] < 3 else image[..., :3]
    picture = Image.fromarray(np.ascontiguousarray(channels))
    kind, options = ("png", {"optimize": True}) if max(picture.size) <= SMALL else ("jpeg", {"quality": 82})
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
