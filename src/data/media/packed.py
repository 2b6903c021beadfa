"""The packed store: all images of a source, decoded once to uint8, in one memory-mapped file beside their targets.

    store.json    what the store belongs to, how many samples it has, what its targets are
    images.u8     the pixels of all images, one after the other: (H, W, C), row by row
    index.npy     (N, 4) a row per image: its number in the source, offset in bytes, height, width; numbers ascend
    KEY.npy       a target of one shape for all samples (N, ...)
    KEY.flat.npy   one of several shapes: all values, one after the other; beside it KEY.shapes.npy (N, dimensions)
                   and KEY.starts.npy (N + 1), where in KEY.flat.npy those of a sample begin

Everything is memory-mapped: processes share its pages, and nothing is read but what is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.data.medium import Medium
from src.data.sources.base import Sample, Source
from src.errors import UserError

MANIFEST, IMAGES, INDEX = "store.json", "images.u8", "index.npy"


class Unfit(UserError):
    """A store that is not the one of its source, or not whole."""


class Packed(Medium):
    """Samples out of a store. Images are read-only views of the file: what is not looked at is not read.

    `source` only tells the files' names. Raises Unfit where the store does not belong to what it is asked for, naming
    what differs.
    """

    decodes = False

    def __init__(self, folder: Path, source: Source, belongs_to: Mapping[str, Any]) -> None:
        self.folder, self.source = folder, source
        manifest = _manifest(folder)
        differing = [
            f"{key} is {manifest['belongs_to'].get(key)!r}, not {value!r}"
            for key, value in belongs_to.items()
            if manifest["belongs_to"].get(key) != value
        ]
        if differing:
            raise Unfit(f"{folder} does not belong to these data: its {'; its '.join(differing)}. {_rebuild(folder)}")
        self.channels, self.targets, self.bytes = manifest["channels"], manifest["targets"], manifest["bytes"]
        self._open()
        if len(self._images) != self.bytes or len(self._index) != manifest["samples"]:
            raise Unfit(f"{folder} is damaged: its files are not as long as {MANIFEST} says. {_rebuild(folder)}")

    def _open(self) -> None:
        try:
            self._images = np.asarray(np.memmap(self.folder / IMAGES, np.uint8, "r"))  # a plain view: slices are cheap
            self._index = _mapped(self.folder / INDEX)
            self._values = {key: _Target(self.folder, key, **how) for key, how in self.targets.items()}
        except (OSError, ValueError) as error:
            raise Unfit(f"{self.folder} cannot be read ({error}). {_rebuild(self.folder)}") from error
        numbers = self._index[:, 0]
        self._first = int(numbers[0])
        self._gapless = int(numbers[-1]) - self._first == len(numbers) - 1

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_images", "_index", "_values")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __len__(self) -> int:
        return len(self._index)

    def read(self, index: int) -> Sample:
        """Return sample `index`; only when pixels are looked at are they read. Raises IndexError for one it lacks."""
        row = self._row(index)
        _, offset, height, width = self._index[row].tolist()
        pixels = self._images[offset : offset + height * width * self.channels]
        sample: Sample = {"image": pixels.reshape(height, width, self.channels), "index": index}
        for key, values in self._values.items():
            sample[key] = values[row]
        return sample

    def name_of(self, index: int) -> str:
        """Return the image's file."""
        path = self.source.path(index)
        return super().name_of(index) if path is None else str(path)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """All pixels of all images (`bytes`,), read-only."""
        return self._images

    def index_of(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """Return the rows of the index (B, 4) for samples: number, offset in bytes, height, width."""
        return np.asarray(self._index[[self._row(index) for index in indices]])

    def _row(self, index: int) -> int:
        row = index - self._first if self._gapless else int(np.searchsorted(self._index[:, 0], index))
        if not 0 <= row < len(self._index) or (not self._gapless and self._index[row, 0] != index):
            raise IndexError(f"{self.folder} has no sample {index}")
        return row


class _Target:
    """A target by row; whole numbers and floats come back as Python's own, everything else as a copy."""

    def __init__(self, folder: Path, key: str, *, dtype: str, ragged: bool) -> None:
        self.dtype, self.ragged = np.dtype(dtype), ragged
        if ragged:
            self.values = _mapped(folder / f"{key}.flat.npy")
            self.shapes = _mapped(folder / f"{key}.shapes.npy")
            self.starts = _mapped(folder / f"{key}.starts.npy")
        else:
            self.values = _mapped(folder / f"{key}.npy")

    def __getitem__(self, row: int) -> Any:
        if self.ragged:
            shape = self.shapes[row].tolist()
            return self.values[self.starts[row] : self.starts[row + 1]].reshape(shape).astype(self.dtype)
        value = self.values[row]
        return value.item() if value.ndim == 0 else value.astype(self.dtype)


def _mapped(file: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    return np.asarray(array)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        if not isinstance(manifest["belongs_to"], dict):
            raise TypeError("belongs_to")
        return manifest | {key: manifest[key] for key in ("channels", "targets", "bytes", "samples")}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Unfit(f"{folder / MANIFEST} cannot be read ({error!r}). {_rebuild(folder)}") from error


def _rebuild(folder: Path) -> str:
    return f"To have it made anew, remove the folder: rm -r {folder}"
