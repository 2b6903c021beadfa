"""The rows of a table in a text file, with their line numbers, and what its columns are called."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.data.decode import IMAGE_SUFFIXES
from src.data.listing import missing_folder
from src.data.split_names import split_named
from src.errors import UserError

_DELIMITERS = ",;\t"
_SHOWN = 20
_TABLES = frozenset({".csv", ".tsv", ".txt", ".jsonl"})


@dataclass(frozen=True)
class Rows:
    """`cells` are stripped of space; `header` is empty where the table has none."""

    header: Sequence[str]
    cells: Sequence[tuple[int, Sequence[str]]]
    """Line number, from 1, and cells of every row that is not empty."""

    @property
    def width(self) -> int:
        """Return how many cells a row must have: those of the header, or of the first row."""
        return len(self.header) if self.header else len(self.cells[0][1]) if self.cells else 0

    def width_fault(self, row: Sequence[str]) -> str | None:
        """Return what is wrong with the number of cells in a row."""
        if len(row) == self.width:
            return None
        return f"{len(row)} fields where {'the header' if self.header else 'the first row'} has {self.width}"


def read_rows(file: Path, *, header: bool) -> Rows:
    """Read a table whose cells are divided by comma, semicolon or tab, whichever its first line has most of, or by |.

    UTF-8, or UTF-16 where it begins so, as Excel's Unicode text does; a `.jsonl` has an object in each line, of which
    lists are joined by |. Raises FileNotFoundError, and UserError where it is no text or no table.
    """
    try:
        data = file.read_bytes()
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        if file.suffix.lower() == ".jsonl":
            return _json_rows(text)
        first_line = text.partition("\n")[0]
        delimiter = max(_DELIMITERS, key=first_line.count)
        delimiter = delimiter if delimiter in first_line or "|" not in first_line else "|"
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        first = next(reader, []) if header else []
        cells = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{file}:{line}: is no readable table: not UTF-8; save it as CSV UTF-8") from error
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{file} is no readable table: {error}") from error
    return Rows([name.strip() for name in first], cells)


def _json_rows(text: str) -> Rows:
    """Return the objects of lines as rows; what one lacks is an empty cell. Raises ValueError for other lines."""
    objects: list[tuple[int, dict[str, object]]] = []
    for line, content in enumerate(text.splitlines(), 1):
        if content.strip():
            try:
                found = json.loads(content)
            except ValueError as error:
                raise ValueError(f"line {line}: {error}") from error
            if not isinstance(found, dict):
                raise ValueError(f"line {line} is no object")
            objects.append((line, found))
    header = list(dict.fromkeys(name for _, found in objects for name in found))
    return Rows(header, [(line, [_json_cell(found.get(name)) for name in header]) for line, found in objects])


def _json_cell(value: object) -> str:
    if isinstance(value, list):
        return "|".join(map(_json_cell, value))
    return "" if value is None else str(int(value)) if isinstance(value, bool) else str(value).strip()


def require_columns(file: Path, header: Sequence[str], named: Iterable[tuple[str, str]]) -> None:
    """Raise UserError where a column of `named`, pairs of (argument, column), is not there exactly once."""
    named = list(named)
    missing = [f"data.source.{key}={name}{_meant(name, header)}" for key, name in named if name not in header]
    if missing:
        hint = ""
        if any(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in header):
            hint = f". Its first line looks like a row: put one with the names of the columns above it, such as {','.join(name for _, name in named)}"  # fmt: skip # noqa: E501
        raise UserError(
            f"{file}: no such column: {'; '.join(missing)}. Its columns: {', '.join(header) or 'none'}{hint}"
        )
    twice = sorted({name for _, name in named if list(header).count(name) > 1})
    if twice:
        raise UserError(f"{file}: the header has {', '.join(twice)} more than once")


def _meant(name: str, known: Sequence[str]) -> str:
    spelt = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), spelt, n=1)
    return f" (did you mean {spelt[near[0]]}?)" if near else ""


def split_of(cell: str, column: str | int, faults: list[str]) -> str:
    """Return the split that a cell names; what is none becomes a fault."""
    split = split_named(cell)
    if split is None:
        faults.append(f"{cell!r} in the column {column}, not train, val or test")
        return ""
    return "train" if split == "trainval" else split


def split_of_tables(tables: Sequence[Path]) -> list[str]:
    """Return the split of each table, by the folder that it lies in, else by its own name; `all` where none is named.

    Raises UserError where some name one and others do not.
    """
    for names in ([table.parent.name for table in tables], [table.stem for table in tables]):
        found = [split_named(name) for name in names]
        if any(found) and len(tables) > 1:
            if not all(found):
                odd = ", ".join(f"{table}" for table, split in zip(tables, found, strict=True) if split is None)
                raise UserError(f"data.source.file: of several tables some are named after splits, but not {odd}")
            return ["train" if split == "trainval" else str(split) for split in found]
    return ["all"] * len(tables)


def in_order(names: Collection[str]) -> tuple[str, ...]:
    """Return names sorted, whole numbers by their value."""
    numbers = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=lambda name: (int(name) if numbers else 0, name)))


def missing_table(root: Path, key: str, file: str | Path) -> str:
    """Return the message for a table that is not there, with the tables that are."""
    try:
        beside = sorted(path.name for path in root.iterdir() if path.suffix.lower() in _TABLES)
        beside += sorted(f"{path.parent.name}/{path.name}" for path in root.glob("*/*") if path.suffix.lower() in _TABLES)  # fmt: skip # noqa: E501
    except OSError as error:
        return missing_folder(root, error)
    return f"data.source.{key}: no such file {file}; tables there: {', '.join(beside[:10]) or 'none'}"


def wrong_rows(file: Path, wrong: Sequence[str]) -> UserError:
    """Return the message that lists the wrong rows of a table, a line for each."""
    more = [f"  and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
    count = "1 row is" if len(wrong) == 1 else f"{len(wrong)} rows are"
    return UserError("\n".join([f"{file}: {count} wrong:", *wrong[:_SHOWN], *more]))
