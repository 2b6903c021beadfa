"""The table of a data set: which image has which labels, row by row, and everything wrong with it at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from src.data.listing import is_file
from src.data.sources.image_path import ImagePath
from src.data.sources.table_rows import read_rows, require_columns, split_of, split_of_tables, wrong_rows
from src.errors import UserError

_ZERO_OR_ONE = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
_NO_LABEL = frozenset({"", "nan", "<na>", "#n/a", "null"})
"""What programs write, in lower case, where there is no value."""
_FLOAT = re.compile(r"-?\d+\.0+")


@dataclass(frozen=True)
class Columns:
    """Where a table has what: the names of the constructor's arguments of `Csv`."""

    image_column: str
    label_column: str | list[str]
    label_separator: str | None
    split_column: str | None
    exclusive: bool

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


def read_tables(files: Sequence[Path], images: ImagePath, columns: Columns) -> LabelTable:
    """Read tables of images and labels, each with a header; without a split column their names may tell the split.

    Raises FileNotFoundError, and UserError that lists every wrong row with its line: a missing file or label, an
    unknown split, a wrong number of fields.
    """
    table = LabelTable()
    splits = ["all"] * len(files) if columns.split_column is not None else split_of_tables(files)
    for file, split in zip(files, splits, strict=True):
        wrong: list[str] = []
        rows = read_rows(file, header=True)
        require_columns(file, rows.header, columns.named())
        for line, row in rows.cells:
            fault = rows.width_fault(row)
            cells = {} if fault else dict(zip(rows.header, row, strict=True))
            faults = [fault] if fault else _add(cells, table, file, split, images, columns)
            if faults:
                wrong.append(f"  {file}:{line}: {'; '.join(faults)}")
        if wrong:
            raise wrong_rows(file, wrong)
    if not table.images:
        raise UserError(f"{files[0]}: no rows below the header")
    return table


def _add(
    cells: Mapping[str, str], table: LabelTable, file: Path, split: str, images: ImagePath, columns: Columns
) -> list[str]:
    """Add a row to the table and return what is wrong with it."""
    faults: list[str] = []
    labels = _labels(cells, columns, faults)
    image = cells[columns.image_column]
    if not image:
        faults.append(f"no file in the column {columns.image_column}")
    else:
        image = images.of(image, labels[0] if labels else "", file)
        if not is_file(images.root / image):
            faults.append(images.missing(image))
    table.images.append(image)
    table.labels.append(labels)
    column = columns.split_column
    table.splits.append(split if column is None else split_of(cells[column], column, faults))
    return faults


def _labels(cells: Mapping[str, str], columns: Columns, faults: list[str]) -> list[str]:
    column, separator = columns.label_column, columns.label_separator
    if isinstance(column, str):
        if separator is not None:
            parts = (part.strip() for part in cells[column].split(separator))
            return [_whole(part) for part in parts if part and part.lower() not in _NO_LABEL]
        if cells[column].lower() in _NO_LABEL:
            faults.append(f"no label in the column {column}{cells[column] and f' ({cells[column]})'}")
        return [_whole(cells[column])]
    faults += [f"{cells[name]!r} in the column {name}, not 0 or 1" for name in column if _truth(cells[name]) is None]
    found = [name for name in column if _truth(cells[name])]
    if columns.exclusive and not faults and len(found) != 1:
        faults.append(f"data.source.exclusive=true, but {len(found)} of the labels are 1: {', '.join(found) or 'none'}")
    return found


def _whole(label: str) -> str:
    """Return a label without the .0 that other programs write behind whole numbers."""
    return label.partition(".")[0] if _FLOAT.fullmatch(label) else label


def _truth(cell: str) -> bool | None:
    return _ZERO_OR_ONE.get(cell.lower())
