"""Where the image of a row lies: a pattern over what the row and its table say."""

from __future__ import annotations

import os
import re
import string
from pathlib import Path

from src.data.listing import find_below, is_file
from src.errors import UserError

_FIELDS = ("image", "name", "label", "table", "folder")


class ImagePath:
    """A path below `root` with `{image}` for the cell, or `{name}` for the last part of it; also `{label}`, and
    `{table}` and `{folder}` for the table's name and the folder that it lies in.

    With `{image}` alone, an image that is not below `root` is looked for beside its table. Raises UserError where the
    pattern names nothing of the image, or something else.
    """

    def __init__(self, pattern: str, root: Path) -> None:
        self.pattern, self.root = pattern, root
        self._looked = False
        try:
            fields = {name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None}
            pattern.format(**dict.fromkeys(_FIELDS, ""))  # {image:d} is a number's
        except (ValueError, LookupError, AttributeError):
            fields = {""}
        if not fields & {"image", "name"} or fields - set(_FIELDS):
            raise UserError(
                f"data.source.image_path={pattern}: expected a path with {{image}} in it, or {{name}}, the last part "
                "of it; also {label}, {table} or {folder}; type such as data.source.image_path=\"'images/{name}'\""
            )

    def of(self, image: str, label: str, table: Path) -> str:
        """Return the file, relative to the root or absolute."""
        folder = os.path.relpath(table.parent, self.root)
        name = re.split(r"[/\\]", image)[-1]
        file = self.pattern.format(image=image, name=name, label=label, table=table.stem, folder=folder)
        if self.pattern == "{image}" and folder != "." and not is_file(self.root / file):
            beside = f"{folder}/{image}"
            return beside if is_file(self.root / beside) else file
        return file

    def missing(self, file: str) -> str:
        """Return what is wrong where there is no such file; the first time with what would find it."""
        said = f"no such image: {self.root / file}"
        if self._looked:
            return said
        self._looked = True
        name = re.split(r"[/\\]", file)[-1]
        found = find_below(self.root, name)
        if found is None:
            return said
        return (
            f"{said}, but {found} is there: data.source.image_path=\"'{found.removesuffix(name)}{{name}}'\" names such"
        )
