"""A table of image files and their labels: one label each, a column of 0 and 1 per label, or several in one column."""

from __future__ import annotations

import csv
import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, TextIO

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from src.data.decode import decode
from src.data.sources.base import Indices, Sample, Source
from src.data.sources.folder import SPLIT_NAMES, missing_folder
from src.errors import UserError

_SHOWN = 20
_SEPARATORS = ",;\t"
_TABLES = frozenset({".csv", ".tsv", ".txt"})
_ZERO_OR_ONE = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}


@dataclass
class _Table:
    """The rows that are right, and what is wrong with the others."""

    images: list[str] = field(default_factory=list)
    labels: list[list[str]] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Csv(Source):
    """Images named by a table, relative to `root` or absolute; `file` is relative to `root` too.

    - `label_column` a name: each image has the one label that stands there;
    - with `label_separator`, it has those that stand there, none where the cell is empty;
    - `label_column` a list: a column per label, each cell 0 or 1.

    In the last two cases `label` is float32 (K,), a 1 for each label the image has. Classes are the sorted labels
    (whole numbers by value) or the columns in their order.
    """

    targets: ClassVar[tuple[str, ...]] = ("label",)

    def __init__(
        self,
        root: str,
        file: str,
        image_column: str,
        label_column: str | list[str],
        label_separator: str | None,
        split_column: str | None,
        channels: Annotated[int, Ge(1)],
    ) -> None:
        self.root = Path(root).expanduser()
        self.file = self.root / file
        self.image_column, self.split_column = image_column, split_column
        self.label_column = label_column if isinstance(label_column, str) else list(label_column)
        self.label_separator = label_separator
        self.channels = channels
        self.multilabel = label_separator is not None or not isinstance(label_column, str)
        if label_separator is not None and not isinstance(label_column, str):
            raise UserError("data.source.label_separator divides one column, but data.source.label_column is a list")
        self._images: list[str] = []
        self._labels: NDArray[np.bool_] = np.empty((0, 0), np.bool_)  # (N, K)
        self._splits: dict[str, Indices] = {}

    def setup(self) -> None:
        """Read the table. Raises UserError with all rows that are wrong, or where there are too few classes."""
        table = self._read_table()
        if table.wrong:
            more = [f"  and {len(table.wrong) - _SHOWN} more"] if len(table.wrong) > _SHOWN else []
            count = "1 row is" if len(table.wrong) == 1 else f"{len(table.wrong)} rows are"
            raise UserError("\n".join([f"{self.file}: {count} wrong:", *table.wrong[:_SHOWN], *more]))
        if not table.images:
            raise UserError(f"{self.file}: no rows below the header")
        self.classes = self._class_names(table.labels)
        numbers = {name: number for number, name in enumerate(self.classes)}
        self._images = table.images
        self._labels = np.zeros((len(table.images), len(self.classes)), np.bool_)
        for row, labels in enumerate(table.labels):
            self._labels[row, [numbers[label] for label in labels]] = True
        names = np.array(table.splits)
        self._splits = {
            name: np.flatnonzero(names == name) for name in ("train", "val", "test", "all") if name in names
        }
        self._check_classes()

    def __len__(self) -> int:
        return len(self._images)

    def read(self, index: int) -> Sample:
        """Decode one image."""
        path, row = self.path(index), self._labels[index]
        label = row.astype(np.float32) if self.multilabel else int(row.argmax())
        return {"image": decode(path, self.channels), "label": label, "index": index, "path": str(path)}

    def labels(self) -> NDArray[np.int64]:
        """Return the label of each image; of several the rarest, so that every split gets some; -1 for none."""
        if not len(self._labels):
            return np.empty(0, np.int64)
        rarest_first = np.argsort(self._labels.sum(axis=0), kind="stable")
        first = rarest_first[self._labels[:, rarest_first].argmax(axis=1)]
        return np.where(self._labels.any(axis=1), first, -1).astype(np.int64)

    def splits(self) -> Mapping[str, Indices]:
        """Return the splits that the table names, or `all`."""
        return self._splits

    def path(self, index: int) -> Path:
        """Return the image file."""
        return self.root / self._images[index]

    def annotation(self, index: int) -> bytes:
        """Return all labels of an image, for the digest of the data."""
        return self._labels[index].tobytes()

    def _read_table(self) -> _Table:
        try:
            with self.file.open(newline="", encoding="utf-8-sig") as file:
                return self._read_rows(file)
        except FileNotFoundError:
            raise UserError(self._missing_file()) from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"{self.file} is no readable table: {error}") from error

    def _missing_file(self) -> str:
        try:
            beside = sorted(path.name for path in self.root.iterdir() if path.suffix.lower() in _TABLES)
        except OSError as error:
            return missing_folder(self.root, error)
        return f"data.source.file: no such file {self.file}; tables there: {', '.join(beside[:_SHOWN]) or 'none'}"

    def _read_rows(self, file: TextIO) -> _Table:
        separator = max(_SEPARATORS, key=file.readline().count)
        file.seek(0)
        reader = csv.reader(file, delimiter=separator, strict=True)
        header = [name.strip() for name in next(reader, [])]
        self._check_columns(header)
        table = _Table()
        for row in reader:
            if not row:
                continue
            faults: list[str] = []
            if len(row) == len(header):
                self._add(dict(zip(header, (cell.strip() for cell in row), strict=True)), table, faults)
            else:
                faults.append(f"{len(row)} fields where the header has {len(header)}")
            if faults:
                table.wrong.append(f"  {self.file}:{reader.line_num}: {'; '.join(faults)}")
        return table

    def _check_columns(self, header: Sequence[str]) -> None:
        labels = [self.label_column] if isinstance(self.label_column, str) else self.label_column
        asked = [("image_column", self.image_column), *(("label_column", name) for name in labels)]
        asked += [("split_column", self.split_column)] if self.split_column is not None else []
        missing = [f"data.source.{key}={name}{_meant(name, header)}" for key, name in asked if name not in header]
        if missing:
            raise UserError(f"{self.file}: no such column: {'; '.join(missing)}. Its columns: {', '.join(header)}")
        twice = sorted({name for _, name in asked if header.count(name) > 1})
        if twice:
            raise UserError(f"{self.file}: the header has {', '.join(twice)} more than once")

    def _add(self, cells: Mapping[str, str], table: _Table, faults: list[str]) -> None:
        """Add a row to `table`, and to `faults` what is wrong with it."""
        image = cells[self.image_column]
        if not image:
            faults.append(f"no file in the column {self.image_column}")
        elif not os.path.isfile(os.path.join(self.root, image)):  # noqa: PTH113, PTH118 - half the time for a long table
            faults.append(f"no such image: {self.root / image}")
        table.images.append(image)
        table.labels.append(self._row_labels(cells, faults))
        table.splits.append(self._row_split(cells, faults))

    def _row_labels(self, cells: Mapping[str, str], faults: list[str]) -> list[str]:
        if isinstance(self.label_column, str):
            cell = cells[self.label_column]
            if self.label_separator is not None:
                return [label for part in cell.split(self.label_separator) if (label := part.strip())]
            if not cell:
                faults.append(f"no label in the column {self.label_column}")
            return [cell]
        for name in self.label_column:
            if cells[name].lower() not in _ZERO_OR_ONE:
                faults.append(f"{cells[name]!r} in the column {name}, neither 0 nor 1")
        return [name for name in self.label_column if _ZERO_OR_ONE.get(cells[name].lower())]

    def _row_split(self, cells: Mapping[str, str], faults: list[str]) -> str:
        if self.split_column is None:
            return "all"
        cell = cells[self.split_column]
        split = SPLIT_NAMES.get(cell.lower(), "")
        if not split:
            faults.append(f"{cell!r} in the column {self.split_column}, none of train, val, test")
        return split

    def _class_names(self, labels: Sequence[Sequence[str]]) -> tuple[str, ...]:
        if not isinstance(self.label_column, str):
            return tuple(self.label_column)
        names = {name for row in labels for name in row}
        numbers = all(name.isdecimal() for name in names)
        return tuple(sorted(names, key=lambda name: (int(name) if numbers else 0, name)))

    def _check_classes(self) -> None:
        if len(self.classes) < (1 if self.multilabel else 2):
            found = f"only the label {self.classes[0]!r}" if self.classes else "no labels"
            raise UserError(f"{self.file}: {found} in the column {self.label_column}; at least two are needed")
        train = self._splits.get("train", self._splits.get("all", np.empty(0, np.int64)))
        absent = [name for name, there in zip(self.classes, self._labels[train].any(axis=0), strict=True) if not there]
        if absent:
            raise UserError(f"{self.file}: no training image has the label {', '.join(absent[:_SHOWN])}")


def _meant(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.lower(), [other.lower() for other in known], n=1)
    return f" (did you mean {next(other for other in known if other.lower() == near[0])}?)" if near else ""
