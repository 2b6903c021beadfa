"""Samples out of LitData's chunks, any of them at any time."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from src.data.stream.cache import ChunkCache
from src.data.stream.index import CHUNKS, command
from src.data.stream.items import Item, unpack
from src.data.stream.location import Location
from src.errors import UserError

_FORMATS = ("bytes", "int", "numpy", "no_header_numpy")
"""What LitData calls the values that `pack` leaves in an item."""
_NUMBER = np.dtype("<u4")  # what LitData counts and points with


class Chunks:
    """Items by their place in the stream: the first of the first chunk is 0.

    A chunk is a number of items, where each begins and the last one ends, and their bytes. `checks` (N,) is the CRC-32
    of each item. Opens its files lazily and anew in each process.
    """

    def __init__(
        self, place: Location, index: Mapping[str, Any], checks: NDArray[np.uint32], cache: ChunkCache
    ) -> None:
        self.place, self.checks, self.cache = place, checks, cache
        self.names = [str(chunk["filename"]) for chunk in index["chunks"]]
        for name in self.names:
            if name != Path(name).name:  # a path would lead out of the stream, and out of the cache
                raise UserError(f"data.stream={place.url}: its index names a chunk {name}, which is no file's name")
        self.sizes = [int(chunk["chunk_bytes"]) for chunk in index["chunks"]]
        self.starts = np.concatenate([[0], np.cumsum([chunk["chunk_size"] for chunk in index["chunks"]])])
        self.formats = _formats(place, index["config"])
        self._loader: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_loader": None}

    def item(self, number: int) -> Item:
        """Return an item. Raises UserError where its chunk is missing or damaged, also after a second fetch."""
        chunk = int(np.searchsorted(self.starts, number, side="right")) - 1
        raw = self._raw(chunk, number)
        if zlib.crc32(raw) != self.checks[number]:
            if self.place.local is None:  # the copy may be what is damaged
                self.cache.drop(self.names[chunk])
                raw = self._raw(chunk, number)
            if zlib.crc32(raw) != self.checks[number]:
                raise UserError(
                    f"data.stream={self.place.url}: {self.names[chunk]} is damaged; write the stream again with "
                    f"{command(self.place)} overwrite=true"
                )
        return unpack(self._litdata().load_item_from_bytes(raw, chunk))

    def remote_bytes(self, numbers: NDArray[np.int64]) -> int:
        """Return the bytes of all chunks that hold any of these items; 0 where they are read in place."""
        if self.place.local is not None:
            return 0
        chunks = np.unique(np.searchsorted(self.starts, numbers, side="right") - 1)
        return sum(self.sizes[chunk] for chunk in chunks.tolist())

    def _raw(self, chunk: int, number: int) -> bytes:
        """Return the bytes of an item; fewer, or none, where the chunk is cut off."""
        slot = number - int(self.starts[chunk])
        with self._open(chunk) as file:
            file.seek(_NUMBER.itemsize * (1 + slot))
            ends = np.frombuffer(file.read(2 * _NUMBER.itemsize).ljust(2 * _NUMBER.itemsize, b"\0"), _NUMBER)
            first, last = ends.tolist()
            if not 0 < first <= last <= self.sizes[chunk]:
                return b""
            file.seek(first)
            return file.read(last - first)

    def _open(self, chunk: int) -> IO[bytes]:
        name = self.names[chunk]
        if self.place.local is None:
            return self.cache.open(name, self.sizes[chunk], lambda file: self.place.download(name, file))
        path: Path = self.place.local / name
        try:
            return path.open("rb", buffering=0)
        except OSError as error:
            raise UserError(
                f"data.stream={self.place.url}: {name} cannot be read ({error.strerror or error}); write the stream "
                f"again with {command(self.place)} overwrite=true"
            ) from None

    def _litdata(self) -> Any:
        """Return LitData's reader of items, which needs no files."""
        if self._loader is None:
            from litdata.streaming.item_loader import PyTreeLoader
            from litdata.streaming.serializers import _get_serializers
            from litdata.utilities._pytree import tree_structure

            known = _get_serializers(None)
            spec = tree_structure(dict.fromkeys(self.formats, 0))  # LitData's own reader of it imports what it names
            config = {"data_format": list(self.formats.values()), "data_spec": spec}
            self._loader = PyTreeLoader()
            self._loader.setup(config, [], {name: known[name] for name in _FORMATS})
        return self._loader


def _formats(place: Location, config: Any) -> dict[str, str]:
    """Return the LitData format of each part of an item.

    The index comes from wherever the stream lies, and some formats run code that the data name, as pickle does. Raises
    UserError for all but those that are written here.
    """
    try:
        _, tree = json.loads(config["data_spec"])
        formats = dict(zip(json.loads(tree["context"]), map(str, config["data_format"]), strict=True))
    except (ValueError, TypeError, KeyError):
        formats = {"": "unreadable"}
    other = sorted(format for format in formats.values() if format.partition(":")[0] not in _FORMATS)
    if other:
        raise UserError(
            f"data.stream={place.url}: {CHUNKS} says that samples are {', '.join(other)}, which this program never "
            f"writes, and does not read: it may run code. Write the stream again with {command(place)} overwrite=true"
        )
    return formats
