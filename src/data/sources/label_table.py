"""The table of a data set: which image has which labels, row by row, and everything wrong with it at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from src.data.sources.table_rows import read_rows, require_columns, split_of, wrong_rows
from src.errors import UserError

_ZERO_OR_ONE = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}


@dataclass(frozen=True)
class Columns:
    """Where a table has what: the names of the constructor's arguments of `Csv`."""

    image_column: str
    label_column: str | list[str]
    label_separator: str | None
    split_column: str | None

    def named(self) -> list[tuple[str, str]]:
        """Return (argument, column) for every column that must be there."""
        labels = [self.label_column] if isinstance(self.label_column, str) else self.label_column
        pairs = [("image_column", self.image_column), *(("label_column", name) for name in labels)]
        return pairs if self.split_column is None else [*pairs, ("split_column", self.split_column)]


@dataclass
class LabelTable:
    """A row of each list is an image: its file as written, its labels, its split (`all` without a column)."""

    images: list[str] = field(default_factory=list)
    labels: list[list[str]] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)


def read_table(file: Path, root: Path, columns: Columns) -> LabelTable:
    """Read a table of images and labels, a header above them.

    Raises FileNotFoundError, and UserError that lists every wrong row with its line: a missing file or label, an
    unknown split, a wrong number of fields.
    """
    wrong: list[str] = []
    rows = read_rows(file, header=True)
    require_columns(file, rows.header, columns.named())
    table = LabelTable()
    for line, row in rows.cells:
        fault = rows.width_fault(row)
        faults = [fault] if fault else _add(dict(zip(rows.header, row, strict=True)), table, root, columns)
        if faults:
            wrong.append(f"  {file}:{line}: {'; '.join(faults)}")
    if wrong:
        raise wrong_rows(file, wrong)
    if not table.images:
        raise UserError(f"{file}: no rows below the header")
    return table


def _add(cells: Mapping[str, str], table: LabelTable, root: Path, columns: Columns) -> list[str]:
    """Add a row to the table and return what is wrong with it."""
    faults: list[str] = []
    image = cells[columns.image_column]
    if not image:
        faults.append(f"no file in the column {columns.image_column}")
    elif not os.path.isfile(f"{root / image}"):  # noqa: PTH113 - half the time of Path's, for every row
        faults.append(f"no such image: {root / image}")
    table.images.append(image)
    table.labels.append(_labels(cells, columns, faults))
    column = columns.split_column
    table.splits.append("all" if column is None else split_of(cells[column], column, faults))
    return faults


def _labels(cells: Mapping[str, str], columns: Columns, faults: list[str]) -> list[str]:
    column, separator = columns.label_column, columns.label_separator
    if isinstance(column, str):
        if separator is not None:
            return [label for part in cells[column].split(separator) if (label := part.strip())]
        if not cells[column]:
            faults.append(f"no label in the column {column}")
        return [cells[column]]
    faults += [f"{cells[name]!r} in the column {name}, not 0 or 1" for name in column if _truth(cells[name]) is None]
    return [name for name in column if _truth(cells[name])]


def _truth(cell: str) -> bool | None:
    return _ZERO_OR_ONE.get(cell.lower())
