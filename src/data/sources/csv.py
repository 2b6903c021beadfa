"""A table of image files and their labels: one label each, a column of 0 and 1 per label, or several in one column."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Len, MinLen
from numpy.typing import NDArray

from src.config.main_figure import several_labels
from src.data.decode import decode
from src.data.sources.base import Indices, Sample, Source
from src.data.sources.folder import alike_but_for_case
from src.data.sources.image_path import ImagePath
from src.data.sources.label_table import Columns, read_tables
from src.data.sources.table_rows import in_order, missing_table
from src.errors import UserError


class Csv(Source):
    """Images named by a table, relative to `root` (or where `image_path` says) or absolute.

    `file` is relative to `root` too, or a glob of tables, whose folders or names may be those of splits.

    - `label_column` a name: each image has the one label that stands there;
    - with `label_separator`, it has those that stand there, none where the cell is empty;
    - `label_column` a list: a column per label, each cell 0 or 1; one label again where they are `exclusive`.

    Else, in the last two cases, `label` is float32 (K,), a 1 for each label the image has. Classes are the sorted
    labels (whole numbers by value), or the columns in their order. `split_column` holds train, val and test by any of
    their usual names.
    """

    targets: ClassVar[tuple[str, ...]] = ("label",)

    def __init__(
        self,
        root: str,
        file: str,
        image_column: str,
        label_column: str | list[str],
        label_separator: Annotated[str, MinLen(1)] | None,
        split_column: str | None,
        image_path: str,
        exclusive: bool,
        channels: Annotated[int, Ge(1)],
        range: Literal["auto", "full"] | Annotated[list[float], Len(2, 2)],
    ) -> None:
        one_column = isinstance(label_column, str)
        if label_separator is not None and not one_column:
            raise UserError("data.source.label_separator divides one column, but data.source.label_column is a list")
        if exclusive and one_column:
            raise UserError("data.source.exclusive=true is of a list of columns, but data.source.label_column is one")
        self.root = Path(root).expanduser()
        self.file = self.root / file
        self.columns = Columns(image_column, label_column, label_separator, split_column, exclusive)
        self.image_path = image_path
        ImagePath(image_path, self.root)
        self.channels, self.range = channels, range
        self.multilabel = several_labels(label_column, label_separator, exclusive)
        self._images: list[str] = []
        self._labels: NDArray[np.bool_] = np.empty((0, 0), np.bool_)  # (N, K)
        self._splits: dict[str, Indices] = {}

    def setup(self) -> None:
        """Read the table. Raises UserError with all rows that are wrong, or where a label has no training image."""
        pattern = os.path.relpath(self.file, self.root)
        files = [self.file] if self.file.is_file() else sorted(path for path in self.root.glob(pattern) if path.is_file())  # fmt: skip # noqa: E501
        if not files:
            raise UserError(missing_table(self.root, "file", self.file))
        table = read_tables(files, ImagePath(self.image_path, self.root), self.columns)
        self.classes = self._class_names(table.labels)
        numbers = {name: number for number, name in enumerate(self.classes)}
        self._images = table.images
        self._labels = np.zeros((len(table.images), len(self.classes)), np.bool_)
        for row, labels in enumerate(table.labels):
            self._labels[row, [numbers[label] for label in labels]] = True
        names = np.array(table.splits)
        self._splits = {str(name): np.flatnonzero(names == name) for name in np.unique(names)}
        self._check_classes()
        self.remarks = self._remarks(table.labels)

    def _remarks(self, labels: Sequence[Sequence[str]]) -> tuple[str, ...]:
        remarks = []
        if isinstance(self.columns.label_column, list) and self.multilabel and {len(row) for row in labels} == {1}:
            remarks.append(
                f"{self.file}: every image has exactly one of the labels; if they exclude each other, type "
                "data.source.exclusive=true"
            )
        if twice := alike_but_for_case(self.classes):
            remarks.append(f"{self.file}: labels that differ in upper and lower case only: {', '.join(twice[:10])}")
        if repeated := len(self._images) - len(set(self._images)):
            remarks.append(
                f"{self.file}: {repeated} rows name an image that an earlier row names, each counts as an image of its "
                "own; several labels of an image stand in one row (data.source.label_separator)"
            )
        return tuple(remarks)

    def __len__(self) -> int:
        return len(self._images)

    def read(self, index: int) -> Sample:
        """Decode one image."""
        path, row = self.path(index), self._labels[index]
        label = row.astype(np.float32) if self.multilabel else int(row.argmax())
        image = decode(path, self.channels, self.at_least, self.span)
        return {"image": image, "label": label, "index": index, "path": str(path)}

    def labels(self) -> NDArray[np.int64]:
        """Return the label of each image; of several the rarest, -1 for none."""
        rarest_first = np.argsort(self._labels.sum(axis=0), kind="stable")
        first = rarest_first[self._labels[:, rarest_first].argmax(axis=1)]
        return np.where(self._labels.any(axis=1), first, -1).astype(np.int64)

    def label_sets(self) -> NDArray[np.bool_]:
        """Return which labels each image has."""
        return self._labels

    def splits(self) -> Mapping[str, Indices]:
        """Return the splits that the table names, or `all`."""
        return self._splits

    def path(self, index: int) -> Path:
        """Return the image file."""
        return self.root / self._images[index]

    def annotation(self, index: int) -> bytes:
        """Return all labels of an image, for the digest of the data."""
        return np.packbits(self._labels[index]).tobytes()

    def _class_names(self, labels: Sequence[Sequence[str]]) -> tuple[str, ...]:
        if not isinstance(self.columns.label_column, str):
            return tuple(self.columns.label_column)
        return in_order({name for row in labels for name in row})

    def _check_classes(self) -> None:
        column = self.columns.label_column
        if len(self.classes) < (1 if self.multilabel else 2):
            found = f"only one label, {self.classes[0]}" if self.classes else "no labels"
            raise UserError(f"{self.file}: {found}, in the column {column}; at least two are needed")
        train = self._splits.get("train", self._splits.get("all", np.arange(len(self))))
        counts = self._labels[train].sum(axis=0)
        absent = [name for name, count in zip(self.classes, counts.tolist(), strict=True) if count == 0]
        if absent:
            raise UserError(f"{self.file}: no training image has the label {', '.join(absent[:20])}")
