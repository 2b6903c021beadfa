"""Tables of images, classes and boxes: one csv file or several, a row per object."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Len

from src.data.decode import Unreadable
from src.data.image_size import image_size
from src.data.sources.base import BadRow
from src.data.sources.boxed import NOTHING, BoxedImages, Corners, Marked, Picture, is_file
from src.data.sources.table_rows import missing_table, read_rows, require_columns, split_of
from src.errors import UserError

_FIELDS = ("image", "label", "table")


class BoxesCsv(BoxedImages):
    """Rows of image, class and box. Columns are named by the header, or numbered from 0 where there is none.

    `files` is a table or a glob of tables below `root` (below `root/folder`, where that is there). `image_path` makes
    the file's path of the cell `{image}`, the class `{label}` and the name of the table `{table}`. The box is `xyxy`,
    or `xywh` with the upper left corner, in pixels or relative to the image. Rows of one image are its objects; a row
    of the class `nothing`, or without class and box, is an image without one.
    """

    def __init__(
        self,
        root: str,
        folder: str | None,
        files: str,
        header: bool,
        image_column: str | int,
        label_column: str | int,
        box_columns: Annotated[list[str | int], Len(4, 4)],
        split_column: str | int | None,
        image_path: str,
        box_format: Literal["xyxy", "xywh"],
        box_units: Literal["pixels", "relative"],
        classes: list[str] | None,
        objects: Literal["largest", "single"],
        tolerance: Annotated[float, Ge(0)],
        channels: Annotated[int, Ge(1)],
        range: Literal["auto", "full"] | Annotated[list[float], Len(2, 2)],
    ) -> None:
        super().__init__(root, classes=classes, objects=objects, tolerance=tolerance, channels=channels)
        self.range = range
        self.folder, self.files, self.header = folder, files, header
        self.columns = {"image_column": image_column, "label_column": label_column}
        self.columns |= {f"box_columns[{number}]": column for number, column in enumerate(box_columns)}
        self.columns |= {} if split_column is None else {"split_column": split_column}
        self.image_path, self.box_format, self.box_units = image_path, box_format, box_units
        named = [f"data.source.{key}={column}" for key, column in self.columns.items() if isinstance(column, str)]
        if named and not header:
            raise UserError(
                f"data.source.header=false: columns are numbers from 0, but {', '.join(named)}; type such as "
                "data.source.image_column=0 data.source.label_column=1 data.source.box_columns=[2,3,4,5]"
            )
        fields = {name for _, name, _, _ in string.Formatter().parse(image_path) if name is not None}
        if "image" not in fields or fields - set(_FIELDS):
            raise UserError(
                f"data.source.image_path={image_path}: expected a path with {{image}} in it, and {{label}} or "
                "{table} where it depends on them; type data.source.image_path=\"'images/{image}'\""
            )

    def pictures(self, bad: list[BadRow]) -> Iterable[Picture]:
        """Read all tables."""
        if self.folder is not None and (self.root / self.folder).is_dir():
            self.root = self.root / self.folder
        pictures: dict[str, Picture] = {}
        for table in self._tables():
            self._read(table, pictures, bad)
        return pictures.values()

    def _tables(self) -> list[Path]:
        tables = sorted(path for path in self.root.glob(self.files) if path.is_file())
        if not tables:
            raise UserError(missing_table(self.root, "files", self.files))
        return tables

    def _read(self, table: Path, pictures: dict[str, Picture], bad: list[BadRow]) -> None:
        rows = read_rows(table, header=self.header)
        require_columns(table, rows.header, [(k, name) for k, name in self.columns.items() if isinstance(name, str)])
        places = {k: rows.header.index(c) if isinstance(c, str) else c for k, c in self.columns.items()}
        beyond = [f"data.source.{key}={place}" for key, place in places.items() if not 0 <= place < rows.width]
        if beyond:
            raise UserError(f"{table}: no such column: {', '.join(beyond)}; it has {rows.width}, numbered from 0")
        for line, row in rows.cells:
            where = f"{table}:{line}"
            fault = rows.width_fault(row)
            faults = [fault] if fault else self._add({k: row[i] for k, i in places.items()}, table, where, pictures)
            if faults:
                bad.append(BadRow(where, "; ".join(faults)))

    def _add(self, cells: dict[str, str], table: Path, where: str, pictures: dict[str, Picture]) -> list[str]:
        """Add the object of a row to its image and return what is wrong with the row."""
        faults: list[str] = []
        label = cells["label_column"]
        numbers = [cells[f"box_columns[{number}]"] for number in range(4)]
        empty = label.lower() == NOTHING or not any([label, *numbers])
        if not label and not empty:
            faults.append(f"no class in the column {self.columns['label_column']}")
        picture = self._picture(cells, table, pictures, faults)
        box = None if empty else self._numbers(numbers, faults)
        if picture is None:
            return faults
        if faults:
            picture.spoiled = True
        elif box is not None:
            picture.objects.append(Marked(label, self._corners(box, *picture.size), where))
        return faults

    def _picture(
        self, cells: dict[str, str], table: Path, pictures: dict[str, Picture], faults: list[str]
    ) -> Picture | None:
        """Return the image of a row, which an earlier row may have named already."""
        split = "all"
        if "split_column" in cells:
            split = split_of(cells["split_column"], self.columns["split_column"], faults)
        if not cells["image_column"]:
            faults.append(f"no file in the column {self.columns['image_column']}")
            return None
        file = self.image_path.format(image=cells["image_column"], label=cells["label_column"], table=table.stem)
        known = pictures.get(file)
        if known is not None:
            if split not in ("", known.split):
                faults.append(f"{file} is of the split {split} here and of {known.split} before")
            return known
        path = self.root / file
        if not is_file(path):
            faults.append(f"no such image: {path}")
            return None
        try:
            size = image_size(path, self.channels)
        except Unreadable as error:
            faults.append(str(error))
            return None
        if not split:
            return None
        return pictures.setdefault(file, Picture(file, size, split))

    def _numbers(self, cells: Sequence[str], faults: list[str]) -> Corners | None:
        numbers: list[float] = []
        for number, cell in enumerate(cells):
            try:
                numbers.append(float(cell))
            except ValueError:
                faults.append(f"{cell!r} in the column {self.columns[f'box_columns[{number}]']}, not a number")
        return (numbers[0], numbers[1], numbers[2], numbers[3]) if len(numbers) == 4 else None

    def _corners(self, box: Corners, height: int, width: int) -> Corners:
        a, b, c, d = box
        if self.box_format == "xywh":
            c, d = a + c, b + d
        if self.box_units == "relative":
            return a * width, b * height, c * width, d * height
        return a, b, c, d
