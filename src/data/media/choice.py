"""From `data.store` to a medium. It chooses where samples are read from, never what they are."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import shutil
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.data import crop, decode, image_headers, value_range, working
from src.data.inspection import hash_of
from src.data.media.packed import MANIFEST, Packed
from src.data.media.packing import pack, packed_so_far
from src.data.medium import Files
from src.data.sources.base import Indices, Source
from src.data.working import WorkingSize
from src.errors import UserError

log = logging.getLogger(__name__)

FORMAT = 1
"""Of the store's files; a store of another format is another store."""
GIB = 1 << 30
_MEASURED = 64  # samples that tell how much all will take
_SPARE = 1 << 28  # bytes of the disk that are left for others


@dataclass(frozen=True)
class Wanted:
    """Samples that a medium shall give: readable `indices` of a source that was set up, whose `listing` is known."""

    source: Source
    indices: Indices
    listing: str
    working: WorkingSize | None
    cache_dir: Path

    @cached_property
    def files(self) -> Files:
        """The source itself."""
        return Files(self.source, self.working)

    @cached_property
    def belongs_to(self) -> dict[str, Any]:
        """What the pixels and targets of a store follow from."""
        return {
            "format": FORMAT,
            "digest": self.listing,
            "source": type(self.source).__name__,
            "targets": list(self.source.targets),
            "channels": self.source.channels,
            "working_size": None if self.working is None else self.working.side,
            "working_shape": "square" if self.working is not None and self.working.square else "keep",
            "range": None if self.source.span is None else list(self.source.span),
            "decoder": _rules(type(self.source)),
        }

    @cached_property
    def folder(self) -> Path:
        """Where their store is, or would be."""
        key = hashlib.blake2b(json.dumps(self.belongs_to, sort_keys=True).encode(), digest_size=8).hexdigest()
        return self.cache_dir / "packed" / f"{type(self.source).__name__.lower()}-{key}"

    @property
    def is_packed(self) -> bool:
        """Whether their store is there."""
        return (self.folder / MANIFEST).exists()

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Height and width of a few images, evenly spread."""
        some = self.indices[np.linspace(0, len(self.indices) - 1, min(_MEASURED, len(self.indices))).astype(int)]
        return np.array([self.files.read(index)["image"].shape[:2] for index in some.tolist()], np.int64)

    def bytes_each(self, working: WorkingSize | None = None) -> float:
        """Return the bytes of an image in the mean, about; at a working size smaller than the present one."""
        sizes = self.sizes if working is None else [working.of(height, width) for height, width in self.sizes.tolist()]
        return float(np.prod(sizes, axis=1).mean() * self.source.channels)

    def bytes(self, working: WorkingSize | None = None) -> float:
        """Return the bytes of all images, about."""
        return self.bytes_each(working) * len(self.indices)


def _rules(source: type[Source]) -> str:
    """Return a digest of how pixels come about: the source's own code, ours and the versions of the decoders."""
    modules = [*(inspect.getmodule(kind) for kind in source.__mro__), crop, decode, image_headers, value_range, working]
    files = {
        module.__name__: hash_of(Path(file).read_bytes())
        for module in modules
        if module
        and module.__name__.partition(".")[0] not in sys.stdlib_module_names
        and (file := getattr(module, "__file__", None))
    }
    versions = [version(name) for name in ("opencv-python-headless", "pillow", "tifffile", "numpy")]
    return hashlib.blake2b(json.dumps([sorted(files.items()), versions]).encode(), digest_size=8).hexdigest()


def opened(wanted: Wanted) -> Packed:
    """Return the store that is there. Raises Unfit where it does not belong to the source, or is not whole."""
    return Packed(wanted.folder, wanted.source, wanted.belongs_to)


def packed(wanted: Wanted) -> Packed:
    """Return the store, made where it is not there. Raises UserError where it cannot be, or does not belong here."""
    if not wanted.is_packed:
        lacking = _lacking_room(wanted)
        if lacking:
            raise UserError(
                f"{lacking}: make room, or type data.cache_dir=FOLDER for another place, a smaller data.working_size, "
                "or data.store=files"
            )
        start = time.perf_counter()
        pack(
            wanted.files,
            wanted.indices,
            wanted.source.targets,
            channels=wanted.source.channels,
            bytes_each=wanted.bytes_each(),
            folder=wanted.folder,
            belongs_to=wanted.belongs_to,
        )
        store = opened(wanted)
        seconds = time.perf_counter() - start
        log.info("packed %d images, %s, in %.0f s: %s", len(store), shown_bytes(store.bytes), seconds, wanted.folder)
        return store
    return opened(wanted)


def automatic(wanted: Wanted, budget: float, *, for_training: bool, subset: str | None) -> Packed | Files:
    """Return the store where it is there, or is worth making and fits into `budget` GiB; else the files, saying why.

    `subset` names the key that leaves most of the data out, where one does: each of its values would be another store.
    """
    reason = _why_not(wanted, budget, for_training=for_training, subset=subset)
    if reason is None:
        try:
            store = packed(wanted)
        except UserError as error:
            log.warning("data.store=auto: files, since the store cannot be used: %s", error)
        else:
            log.info("data.store=auto: packed, %s in %s", shown_bytes(store.bytes), wanted.folder)
            return store
    else:
        log.info("data.store=auto: files, since %s", reason)
    return wanted.files


def _why_not(wanted: Wanted, budget: float, *, for_training: bool, subset: str | None) -> str | None:
    if wanted.source.path(int(wanted.indices[0])) is None:
        return f"{type(wanted.source).__name__} has no image files to decode"
    if wanted.is_packed:
        return None
    if subset is not None:
        return f"with {subset} the data are a few"
    if not for_training:
        return "they are read once (data.store=packed packs them all the same)"
    if wanted.bytes() > budget * GIB:
        return (
            f"packed they would take about {shown_bytes(wanted.bytes())}, and data.store_budget is {budget:g} GiB"
            f"{_advice(wanted, budget)}"
        )
    return _lacking_room(wanted)


def _advice(wanted: Wanted, budget: float) -> str:
    """Return what working size would make the images fit."""
    shorter = int(wanted.sizes.min(axis=1).max())
    square = wanted.working is not None and wanted.working.square
    for side in range(shorter // 16 * 16, 15, -16):
        if wanted.bytes(WorkingSize(side, square)) <= budget * GIB:
            return f"; data.working_size={side} would make them fit"
    return ""


def _lacking_room(wanted: Wanted) -> str | None:
    """Return why the disk cannot hold the store, None where it can."""
    there = next(folder for folder in (wanted.cache_dir, *wanted.cache_dir.absolute().parents) if folder.is_dir())
    free, missing = shutil.disk_usage(there).free, wanted.bytes() - packed_so_far(wanted.folder)
    if free >= missing + _SPARE:
        return None
    return (
        f"data.cache_dir={wanted.cache_dir} has {shown_bytes(free)} left, and a store of about "
        f"{shown_bytes(wanted.bytes())}, of which {shown_bytes(max(0, missing))} are missing, would not fit"
    )


def shown_bytes(count: float) -> str:
    """Return a number of bytes for people."""
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / (1 << 20):.1f} MiB"
