"""A table of a report, to be shown as HTML that sorts by a click, or as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from src.report.layout import render


@dataclass(frozen=True)
class Cell:
    """What an entry says; `value` is what it sorts by, and makes it a number; `link` is where it leads."""

    text: str
    value: float | None = None
    link: str | None = None
    marked: bool = False
    """Whether it stands out among the others of its row."""
    code: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells, the first of each its name. `falling` says how the column `sorted_by` runs, None where none."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    sorted_by: int | None = None
    falling: bool = False
    wraps: bool = False
    """Whether its entries are long enough to need several lines."""

    def as_html(self) -> Markup:
        """Return a table that scrolls in itself, whose heads are buttons that sort."""
        numeric = [any(row[i].value is not None for row in self.rows) for i in range(len(self.columns))]
        return render("table.html", table=self, numeric=numeric)

    def as_markdown(self, most: int) -> str:
        """Return the first `most` rows, and a line that says so where there are more."""
        lines = [" | ".join(map(escaped, self.columns))]
        right = [any(row[i].value is not None for row in self.rows) for i in range(len(self.columns))]
        lines.append(" | ".join("--:" if there else "---" for there in right))
        lines += [" | ".join(_markdown(cell) for cell in row) for row in self.rows[:most]]
        text = "\n".join(f"| {line} |" for line in lines)
        left = len(self.rows) - most
        return f"{text}\n\n{left} more rows are in the page beside this file." if left > 0 else text


def _markdown(cell: Cell) -> str:
    text = escaped(cell.text)
    text = f"`{text}`" if cell.code and text else text
    return f"**{text}**" if cell.marked and text else text


def escaped(text: str) -> str:
    """Return text that in Markdown cannot end its cell or line, or become an element."""
    clean = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("`", "'")
    return clean.replace("&", "&amp;").replace("<", "&lt;")
