"""A stream as a source: it knows what the source it was written from knew, and reads samples out of chunks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.data.decode import Unreadable, decode
from src.data.sources.base import BadRow, Indices, Pairs, Sample, Source
from src.data.stream.cache import ChunkCache
from src.data.stream.chunks import Chunks
from src.data.stream.index import Arrays, Described, Facts, command, differences, read_index, with_root
from src.data.stream.location import location
from src.errors import UserError


class Streamed(Source):
    """What `python -m src.prepare` wrote of a source; its files are not needed any more.

    `root` stands for the folder that the files were below, so that messages name samples as they always do.
    """

    def __init__(self, facts: Facts, arrays: Arrays, chunks: Chunks, root: Path) -> None:
        self.facts, self.chunks, self.root = facts, chunks, root
        self.targets, self.classes, self.channels = facts.targets, facts.classes, facts.channels  # type: ignore[misc]
        self.num_keypoints, self.flip_pairs = facts.num_keypoints, facts.flip_pairs
        self.multilabel, self.span = facts.multilabel, facts.span
        self.image_size, self.square = facts.image_size, facts.square
        self.bad_rows = tuple(
            BadRow(with_root(place, root), with_root(reason, root)) for place, reason in facts.bad_rows
        )
        self.unreadable = dict(facts.unreadable)
        self._arrays = arrays

    def setup(self) -> None:
        """There is nothing to list: the stream's index has been read."""

    def __len__(self) -> int:
        return len(self._arrays["place"])

    def read(self, index: int) -> Sample:
        """Return one sample. Raises UserError where its chunk cannot be had, Unreadable where its image is damaged."""
        path = self.path(index)
        if index in self.unreadable:
            raise Unreadable(self.unreadable[index], path)
        item = self.chunks.item(int(self._arrays["place"][index]))
        image = decode(item.pop("image"), self.channels, self.at_least)
        if "boxes" in item and "sizes" in self._arrays:  # in pixels of the image, which may come reduced
            height, width = self._arrays["sizes"][index].tolist()
            scale = np.tile([image.shape[1] / width, image.shape[0] / height], 2)
            item["boxes"] = (item["boxes"] * scale).astype(np.float32)
        return {"image": image, **item, "index": index, "path": str(path or self._name(index))}

    def labels(self) -> NDArray[np.int64]:
        """Return the class of every sample."""
        return self._arrays["labels"]

    def label_sets(self) -> NDArray[np.bool_]:
        """Return which classes every sample has, where there can be several."""
        return self._arrays["many"]

    def identities(self) -> NDArray[np.int64]:
        """Return who every sample shows."""
        if "identities" not in self._arrays:
            return super().identities()
        return self._arrays["identities"]

    def pairs(self) -> Pairs | None:
        """Return the pairs of the protocol, where the source named any."""
        found = self._arrays
        if "pairs" not in found:
            return None
        first, second, same, fold, *kind = found["pairs"]
        return Pairs(first, second, same.astype(np.bool_), fold, trains=any(row.all() for row in kind))

    def triplets(self) -> Indices | None:
        """Return the triplets (T, 3), where the source named any."""
        return self._arrays.get("triplets")

    def splits(self) -> Mapping[str, Indices]:
        """Return the published splits."""
        return {name.partition(" ")[2]: array for name, array in self._arrays.items() if name.startswith("split ")}

    def path(self, index: int) -> Path | None:
        """Return what the file was called, below `root`; None for a drawn sample."""
        return self.root / self._name(index) if self._arrays["has_file"][index] else None

    def annotation(self, index: int) -> bytes:
        """Return what the source said of a sample beside its label, for the digest of the data."""
        return _part(self._arrays, "annotation", index)

    def content(self, index: int) -> tuple[str, str | None]:
        """Return the hash of what a sample holds, and why it is unreadable, as found when it was written."""
        return bytes(self._arrays["content"][index]).hex(), self.unreadable.get(index)

    def remote_bytes(self, indices: Indices) -> int:
        """Return the bytes of all chunks that hold any of these samples; 0 where they are read in place."""
        return self.chunks.remote_bytes(self._arrays["place"][indices])

    def _name(self, index: int) -> str:
        return os.fsdecode(_part(self._arrays, "name", index))


class StreamedBoxes(Streamed):
    """A stream of a source that knows the one box of its samples."""

    def boxes(self, indices: Indices) -> NDArray[np.float32]:
        """Return the box of each sample, relative."""
        return self._arrays["boxes"][indices]

    def sizes(self, indices: Indices) -> NDArray[np.int64]:
        """Return the height and width of each sample."""
        return self._arrays["sizes"][indices]


def open_stream(url: str, described: Described, root: Path, cache_dir: Path, cache_bytes: int) -> Streamed:
    """Return the stream at `url` as a source; `described` is what is asked for.

    Raises UserError where there is none, or it was written from another source or with other settings.
    """
    place = location(url)
    facts, arrays, index = read_index(place)
    if other := differences(described, facts.written_from):
        raise UserError(
            f"data.stream={url} is another data set: {'; '.join(other)}. Change the settings of data.source, or write "
            f"these elsewhere (data.stream=ANOTHER_FOLDER) as this one was: {command(place)}"
        )
    chunks = Chunks(place, index, arrays["checks"], ChunkCache(cache_dir, facts.digest, cache_bytes))
    kind = StreamedBoxes if "boxes" in arrays else Streamed
    return kind(facts, arrays, chunks, root)


def _part(arrays: Mapping[str, Any], name: str, index: int) -> bytes:
    ends = arrays[f"{name}_ends"]
    start = int(ends[index - 1]) if index else 0
    return bytes(arrays[f"{name}_bytes"][start : int(ends[index])].tobytes())
