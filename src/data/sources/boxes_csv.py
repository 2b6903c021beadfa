"""Tables of images, classes and boxes: one csv file or several, a row per object."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Len

from src.data.decode import Unreadable
from src.data.image_size import image_size
from src.data.listing import is_file
from src.data.sources.base import BadRow
from src.data.sources.box_reading import BoxFormat, corners
from src.data.sources.boxed import NOTHING, BoxedImages
from src.data.sources.image_path import ImagePath
from src.data.sources.marked import Corners, Marked, Picture
from src.data.sources.split_paths import SPLIT, one_each, split_paths
from src.data.sources.table_rows import missing_table, read_rows, require_columns, split_of
from src.errors import UserError


class BoxesCsv(BoxedImages):
    """Rows of image, class and box. Columns are named by the header, or numbered from 0 where there is none.

    `files` is a table or a glob of tables below `root` (below `root/folder`, where that is there); `{split}` in it
    stands for any usual name of a split. Several tables whose folders or names are such names are of those splits too,
    unless there is a `split_column`. `image_path` makes the file's path of the cell `{image}` or its last part
    `{name}`, the class `{label}`, the table's name `{table}` and its folder `{folder}`. The box is `xyxy`, or `xywh`
    with the upper left corner, in pixels or relative to the image. Rows of one image are its objects; a row
    of the class `nothing`, or without class and box, is an image without one.
    """

    box_formats: ClassVar[tuple[BoxFormat, ...]] = ("xyxy", "xywh")

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
        super().__init__(
            root, classes=classes, objects=objects, box_units=box_units, tolerance=tolerance, channels=channels
        )
        self.range = range
        self.folder, self.files, self.header = folder, files, header
        self.columns = {"image_column": image_column, "label_column": label_column}
        self.columns |= {f"box_columns[{number}]": column for number, column in enumerate(box_columns)}
        self.columns |= {} if split_column is None else {"split_column": split_column}
        self.image_path, self.box_format = image_path, box_format
        named = [f"data.source.{key}={column}" for key, column in self.columns.items() if isinstance(column, str)]
        if named and not header:
            raise UserError(
                f"data.source.header=false: columns are numbers from 0, but {', '.join(named)}; type such as "
                "data.source.image_column=0 data.source.label_column=1 data.source.box_columns=[2,3,4,5]"
            )
        ImagePath(image_path, self.root)

    def pictures(self, bad: list[BadRow]) -> Iterable[Picture]:
        """Read all tables."""
        if self.folder is not None and (self.root / self.folder).is_dir():
            self.root = self.root / self.folder
        pictures: dict[str, Picture] = {}
        for table, split in self._tables():
            self._read(table, split, pictures, bad)
        return pictures.values()

    def _tables(self) -> list[tuple[Path, str]]:
        """Return the tables with the split of each, `all` where none is named."""
        if SPLIT in self.files:
            found = split_paths(self.root, self.files, "files", is_glob=True)
            named = [(path, str(split)) for split, paths in found.items() for _, path in paths if path.is_file()]
        else:
            tables = sorted(path for path in self.root.glob(self.files) if path.is_file())
            named = [(path, "all") for path in tables] if "split_column" in self.columns else self._by_name(tables)
        if not named:
            raise UserError(missing_table(self.root, "files", self.files))
        return named

    def _by_name(self, tables: Sequence[Path]) -> list[tuple[Path, str]]:
        """Return tables with the splits that their folders or, in one folder, they themselves are called after."""
        for names in ([path.parent.name for path in tables], [path.stem for path in tables]):
            if len(set(names)) < len(tables):
                continue
            splits = {name: split for split, name in one_each(names, "files", self.files).items()}
            if len(splits) == len(tables) > 1:
                return [(path, splits[name]) for path, name in zip(tables, names, strict=True)]
        return [(path, "all") for path in tables]

    def _read(self, table: Path, split: str, pictures: dict[str, Picture], bad: list[BadRow]) -> None:
        rows = read_rows(table, header=self.header)
        require_columns(table, rows.header, [(k, name) for k, name in self.columns.items() if isinstance(name, str)])
        places = {k: rows.header.index(c) if isinstance(c, str) else c for k, c in self.columns.items()}
        beyond = [f"data.source.{key}={place}" for key, place in places.items() if not 0 <= place < rows.width]
        if beyond:
            raise UserError(f"{table}: no such column: {', '.join(beyond)}; it has {rows.width}, numbered from 0")
        for line, row in rows.cells:
            where = f"{table}:{line}"
            fault = rows.width_fault(row)
            cells = {} if fault else {key: row[place] for key, place in places.items()}
            faults = [fault] if fault else self._add(cells, table, split, where, pictures)
            if faults:
                bad.append(BadRow(where, "; ".join(faults)))

    def _add(
        self, cells: dict[str, str], table: Path, split: str, where: str, pictures: dict[str, Picture]
    ) -> list[str]:
        """Add the object of a row to its image and return what is wrong with the row."""
        faults: list[str] = []
        label = cells["label_column"]
        numbers = [cells[f"box_columns[{number}]"] for number in range(4)]
        empty = label.lower() == NOTHING or not any([label, *numbers])
        if not label and not empty:
            faults.append(f"no class in the column {self.columns['label_column']}")
        if "split_column" in cells:
            split = split_of(cells["split_column"], self.columns["split_column"], faults)
        picture = self._picture(cells, table, split, pictures, faults)
        box = None if empty else self._numbers(numbers, faults)
        if picture is None:
            return faults
        if faults:
            picture.spoiled = True
        elif box is not None:
            shown = corners(box, *picture.size, self.box_format, self.box_units)
            picture.objects.append(Marked(label, shown, where, box))
        return faults

    def _picture(
        self, cells: dict[str, str], table: Path, split: str, pictures: dict[str, Picture], faults: list[str]
    ) -> Picture | None:
        """Return the image of a row, which an earlier row may have named already."""
        if not cells["image_column"]:
            faults.append(f"no file in the column {self.columns['image_column']}")
            return None
        folder = table.parent.relative_to(self.root).as_posix()
        name = re.split(r"[/\\]", cells["image_column"])[-1]
        named = {
            "image": cells["image_column"],
            "name": name,
            "label": cells["label_column"],
            "table": table.stem,
            "folder": folder,
        }
        file = os.path.normpath(self.image_path.format(**named)).replace(os.sep, "/")
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
