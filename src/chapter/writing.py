"""A figure of the chapter as a picture and its numbers as a file."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import numpy as np

from src.chapter.drawing import drawn
from src.chapter.figures import ELSEWHERE, EQUATIONS, FIGURES
from src.errors import UserError
from src.files import atomic, write_json


def write_figure(number: str, *, image: str | None, output: str | None) -> Path:
    """Draw figure `number` as PNG with its numbers beside it as JSON; return the picture's path.

    Raises UserError where there is no such figure, or no such image.
    """
    if number in ELSEWHERE:
        raise UserError(f"{number}: {ELSEWHERE[number]}")
    if number not in FIGURES:
        near = difflib.get_close_matches(number, FIGURES, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"{number}: no such figure; {hint}There are {', '.join(FIGURES)}")
    if image is not None and number != "6.1":
        raise UserError(f"image={image}: figure {number} has numbers of its own; only 6.1 takes a photograph")
    figure = FIGURES[number](Path(image) if image else None)
    path = Path(output or f"figure-{number}.png")
    if path.suffix.lower() != ".png":
        raise UserError(f"output={path}: a figure is written as .png")
    title = f"{heading(number)}: {figure.title}"
    with atomic(path) as file:
        drawn(figure.panels, figure.caption, title).save(file, "PNG")
    numbers = {key: _plain(value) for key, value in figure.numbers.items()}
    write_json(
        path.with_suffix(".json"),
        {"figure": number, "title": title, "says": figure.caption} | numbers,
    )
    return path


def heading(number: str) -> str:
    """Return what the chapter calls it: a figure, or an equation."""
    return f"Equation ({number})" if number in EQUATIONS else f"Figure {number}"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [_plain(one) for one in value] if isinstance(value, list) else value
