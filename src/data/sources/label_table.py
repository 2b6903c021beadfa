"""The table of a data set: which image has which labels, row by row, and everything wrong with it at once."""

from __future__ import annotations

import csv
import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from src.data.sources.folder import SPLIT_NAMES
from src.errors import UserError

_SHOWN = 20
_DELIMITERS = ",;\t"
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
    """Read a table whose fields are divided by comma, semicolon or tab, whichever its header has most of.

    Raises FileNotFoundError, and UserError that lists every wrong row with its line: a missing file or label, an
    unknown split, a wrong number of fields.
    """
    wrong: list[str] = []
    try:
        with file.open(newline="", encoding="utf-8-sig") as content:
            table = _read(content, file, root, columns, wrong)
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file} is no readable table: {error}") from error
    if wrong:
        raise wrong_rows(file, wrong)
    if not table.images:
        raise UserError(f"{file}: no rows below the header")
    return table


def wrong_rows(file: Path, wrong: Sequence[str]) -> UserError:
    """Return the message that lists the wrong rows of a table, a line for each."""
    more = [f"  and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
    count = "1 row is" if len(wrong) == 1 else f"{len(wrong)} rows are"
    return UserError("\n".join([f"{file}: {count} wrong:", *wrong[:_SHOWN], *more]))


def _read(content: TextIO, file: Path, root: Path, columns: Columns, wrong: list[str]) -> LabelTable:
    delimiter = max(_DELIMITERS, key=content.readline().count)
    content.seek(0)
    reader = csv.reader(content, delimiter=delimiter, strict=True)
    header = [name.strip() for name in next(reader, [])]
    _check_header(header, file, columns)
    table = LabelTable()
    for row in reader:
        if not row:
            continue
        if len(row) == len(header):
            cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
            faults = _add(cells, table, root, columns)
        else:
            faults = [f"{len(row)} fields where the header has {len(header)}"]
        if faults:
            wrong.append(f"  {file}:{reader.line_num}: {'; '.join(faults)}")
    return table


def _check_header(header: Sequence[str], file: Path, columns: Columns) -> None:
    named = columns.named()
    missing = [f"data.source.{key}={name}{_meant(name, header)}" for key, name in named if name not in header]
    if missing:
        raise UserError(f"{file}: no such column: {'; '.join(missing)}. Its columns: {', '.join(header) or 'none'}")
    twice = sorted({name for _, name in named if header.count(name) > 1})
    if twice:
        raise UserError(f"{file}: the header has {', '.join(twice)} more than once")


def _meant(name: str, known: Sequence[str]) -> str:
    spelt = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), spelt, n=1)
    return f" (did you mean {spelt[near[0]]}?)" if near else ""


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
    table.splits.append(_split(cells, columns, faults))
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


def _split(cells: Mapping[str, str], columns: Columns, faults: list[str]) -> str:
    if columns.split_column is None:
        return "all"
    cell = cells[columns.split_column]
    split = SPLIT_NAMES.get(cell.lower(), "")
    if not split:
        faults.append(f"{cell!r} in the column {columns.split_column}, not train, val or test")
    return split
