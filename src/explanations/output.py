"""Where explanations go: pictures as PNG, numbers as JSON and npz, written whole and as they come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from src.errors import UserError
from src.files import atomic, write_json

NUMBERS = "explanation.json"


@dataclass
class Output:
    """The folder of one method's pictures and numbers. What an earlier explanation left in it is replaced in the end.

    Nothing written depends on the time or the place, so the same explanation gives the same bytes.
    """

    folder: Path
    method: str
    title: str = ""
    """What is explained, for a heading."""
    words: str = ""
    """How to read the pictures."""
    subject: str = ""
    """Whose answers they are: the run in words, and which of its weights."""
    data_digest: str | None = None
    """Of the run's data, where they are what is explained."""
    numbers: dict[str, Any] = field(default_factory=dict)
    pictures: list[dict[str, str]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def require_writable(self) -> None:
        """Make the folder. Raises UserError where that cannot be done, before anything is computed."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot write into {self.folder}: {error.strerror}; output= names another folder"
            ) from error

    def _remove_earlier(self) -> None:
        """Remove the files that an earlier explanation has written here and this one has not, and no others."""
        try:
            earlier = json.loads((self.folder / NUMBERS).read_text(encoding="utf-8"))
            names = [str(name) for name in earlier["files"]]
        except (OSError, ValueError, KeyError, TypeError):
            return
        for name in names:
            if Path(name).name == name and name not in self.files:
                (self.folder / name).unlink(missing_ok=True)

    def picture(self, name: str, image: NDArray[np.uint8] | Image.Image, caption: str) -> Path:
        """Write an RGB picture (H, W, 3) as `name`.png."""
        path = self.folder / f"{name}.png"
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        with atomic(path) as file:
            picture.save(file, "PNG")
        self.pictures.append({"file": path.name, "caption": caption})
        self.files.append(path.name)
        return path

    def arrays(self, name: str, values: Mapping[str, NDArray[Any]]) -> Path:
        """Write arrays by their names as `name`.npz."""
        path = self.folder / f"{name}.npz"
        with atomic(path) as file:
            np.savez_compressed(file, **dict(values))  # type: ignore[arg-type]
        self.files.append(path.name)
        return path

    def finish(self) -> Path:
        """Write the numbers, and with them what the page needs to show the pictures."""
        self._remove_earlier()
        document = {
            "method": self.method,
            "title": self.title,
            "words": self.words,
            "subject": self.subject,
            "data_digest": self.data_digest,
            "numbers": self.numbers,
            "pictures": self.pictures,
            "files": self.files,
        }
        write_json(self.folder / NUMBERS, document)
        return self.folder


def rounded(value: float) -> float:
    """Return a number with six significant digits, as JSON shows it."""
    return float(f"{value:.6g}")


def file_name(position: int, count: int, name: str) -> str:
    """Return a name for an image's picture: its number among `count`, and the name of its file where it has one."""
    digits = len(str(max(1, count - 1)))
    stem = Path(name).stem if not name.startswith("#") else "image"
    return f"{position:0{digits}d}-{stem}"
