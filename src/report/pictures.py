"""Small pictures inside the page: data addresses instead of files."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from src.answers import LOSSLESS, encoded
from src.report.layout import render


@dataclass(frozen=True)
class Picture:
    """`image` uint8 (H, W, C); `lines` of words and a figure, the first stands out; `path`, relative, comes last."""

    image: NDArray[np.uint8]
    lines: Sequence[tuple[str, str]]
    path: str


def gallery(pictures: Sequence[Picture]) -> Markup:
    """Lay pictures out in rows, each with its lines below it."""
    shown = [
        {"picture": one, "src": data_url(one.image), "small": max(one.image.shape[:2]) <= LOSSLESS} for one in pictures
    ]
    return render("gallery.html", shown=shown)


def data_url(image: NDArray[np.uint8]) -> str:
    """Return uint8 (H, W, C) as an address that holds it (`src.answers.encoded`)."""
    kind, content = encoded(image)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
