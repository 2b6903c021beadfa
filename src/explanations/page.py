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
HALF = 700
"""Pixels up to which a picture may share its row with another."""
SHOWN = 12
"""Pictures of each method in the page; the others lie in its folder."""


def write_page(folder: Path) -> Path:
    """Write `FOLDER.html` beside a folder of explanations, a section for each method that has left one there.

    A function of the folder's files alone, so equal explanations give equal bytes.
    """
    found = list(_explanations(folder))
    subjects = list(dict.fromkeys(method["subject"] for method in found if method.get("subject")))
    sections = [_section(folder / method["method"], method, several=len(subjects) > 1) for method in found]
    path = folder.with_name(f"{folder.name}.html")
    title = f"Looking inside {subjects[0].partition(',')[0]}" if len(subjects) == 1 else "Looking inside"
    headline = render("explanations.html", title=title, count=len(sections), subjects=subjects)
    write_text(path, lay_out(title, headline, sections))
    return path


def _explanations(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob(f"*/{NUMBERS}")):
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            continue
        if isinstance(found, dict) and {"method", "title", "words", "pictures"} <= found.keys():
            yield found | {"method": file.parent.name}


def _section(folder: Path, found: dict[str, Any], *, several: bool) -> Section:
    """The pictures of a method; where the page has those of `several` weights, which they are of is said."""
    there = [one for one in found["pictures"] if (folder / one["file"]).is_file()]
    whole = [one for one in there if one["file"].endswith("-page.png")]  # of all layers, whose pictures are its parts
    there = whole or there
    shown = [{"caption": one["caption"], **_embedded(folder / one["file"])} for one in there[:SHOWN]]
    more = len(there) - len(shown)
    subject = found.get("subject") if several else None
    html = render(
        "pictures.html",
        words=found["words"],
        subject=subject,
        shown=shown,
        more=more,
        method=found["method"],
        half=HALF,
    )
    return Section(found["title"], html)


def _embedded(file: Path) -> dict[str, Any]:
    """Return a picture in the page's own bytes: a JPEG, which is a fifth of the PNG; that stays as it is."""
    buffer = io.BytesIO()
    with Image.open(file) as picture:
        width, height = picture.size
        picture.convert("RGB").save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    address = Markup("data:image/jpeg;base64,") + Markup(base64.b64encode(buffer.getvalue()).decode())
    return {"src": address, "width": width, "height": height}
