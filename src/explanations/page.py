"""The page of all explanations of a run, or in a folder: one file with the pictures in it, nothing fetched."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markupsafe import Markup
from PIL import Image

from src.explanations.output import NUMBERS
from src.files import write_text
from src.report.layout import Section, lay_out, render

QUALITY = 85
SHOWN = 12
"""Pictures of each method in the page; the others lie in its folder."""


def write_page(folder: Path) -> Path:
    """Write `FOLDER.html` beside a folder of explanations, a section for each method that has left one there.

    A function of the folder's files alone, so equal explanations give equal bytes.
    """
    sections = [_section(folder / method["method"], method) for method in _explanations(folder)]
    path = folder.with_name(f"{folder.name}.html")
    headline = render("explanations.html", title="Looking inside", count=len(sections))
    write_text(path, lay_out("Looking inside", headline, sections))
    return path


def _explanations(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob(f"*/{NUMBERS}")):
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            continue
        if isinstance(found, dict) and {"method", "title", "words", "pictures"} <= found.keys():
            yield found | {"method": file.parent.name}


def _section(folder: Path, found: dict[str, Any]) -> Section:
    there = [one for one in found["pictures"] if (folder / one["file"]).is_file()]
    # a page of all layers comes last of its method, and first to the eye
    first = sorted(there, key=lambda one: not one["file"].endswith("-page.png"))
    shown = [{"src": _address(folder / one["file"]), "caption": one["caption"]} for one in first[:SHOWN]]
    more = len(there) - len(shown)
    html = render("pictures.html", words=found["words"], shown=shown, more=more, method=found["method"])
    return Section(found["title"], html)


def _address(file: Path) -> Markup:
    """Return a picture in the page's own bytes: a JPEG, which is a fifth of the PNG; that stays as it is."""
    buffer = io.BytesIO()
    with Image.open(file) as picture:
        picture.convert("RGB").save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return Markup("data:image/jpeg;base64,") + Markup(base64.b64encode(buffer.getvalue()).decode())
