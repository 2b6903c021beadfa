"""pictures.json: the parts of a report that show a learning problem's answers, kept for pages over several runs.

They are parts of a page, ready to be shown, because the pictures in them need the data, which a report of several runs
must do without. Equal runs write equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

from markupsafe import Markup

from src.files import write_json
from src.report.layout import Section, encodable

NAME = "pictures.json"

_TAGS = frozenset(
    (
        *("p", "b", "i", "small", "var", "span", "bdi", "div", "img", "h3", "ol", "li", "figure", "figcaption"),
        *("table", "thead", "tbody", "tfoot", "tr", "th", "td", "button", "details", "summary"),
        *("svg", "g", "path", "rect", "circle", "text", "title"),
    )
)
_UNCLOSED = frozenset({"img", "path", "rect", "circle"})


def write_fragments(run_dir: Path, sections: Sequence[Section]) -> None:
    """Write what can be shown again elsewhere; what holds measured times is left out."""
    kept = [section for section in sections if not section.timed]
    write_json(run_dir / NAME, [{"title": encodable(one.title), "html": encodable(one.html)} for one in kept])


def read_fragments(run_dir: Path) -> list[Section]:
    """Read them. Raises OSError where there are none, ValueError where they are not such as a report writes.

    A run directory may come from a stranger: only elements without a will of their own are accepted.
    """
    found = json.loads((run_dir / NAME).read_text(encoding="utf-8"))
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"{NAME} is not a list of sections")
    sections = [Section(str(one.get("title")), Markup(one.get("html"))) for one in found]
    for section in sections:
        _Inspection().inspect(section.html)
    return sections


class _Inspection(HTMLParser):
    """Raises ValueError at an element that no report has, and where elements are left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def inspect(self, html: str) -> None:
        self.feed(html)
        self.close()
        if self.open:
            raise ValueError(f"<{self.open[-1]}> is not closed")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._accept(tag, attrs)
        if tag not in _UNCLOSED:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._accept(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise ValueError(f"</{tag}> closes nothing")

    def _accept(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        outside = [value for name, value in attrs if name == "src" and not (value or "").startswith("data:image/")]
        if tag not in _TAGS or outside or any(name.startswith("on") or name in ("id", "href") for name, _ in attrs):
            raise ValueError(f"<{tag}> is not an element of a report")
