"""What can be done for a data set before any training: fetch it, read every file once, pack it or stream it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from src.config.build import build
from src.data.augmentation import Augmentation
from src.data.media.choice import shown_bytes
from src.data.media.on_device import OnDevice
from src.data.media.packed import Packed
from src.data.module import ImageData


def prepare(section: Mapping[str, Any], *, chunk: float, overwrite: bool) -> Iterator[str]:
    """Do all of it for a `data` section, and yield lines that say what there is now; the last is where it lies.

    `data.store=auto` packs whatever its budget says: that is what was asked for. With `files` nothing is packed, with
    `stream` chunks of about `chunk` MiB are written, in place of another stream where `overwrite`.
    """
    start = time.perf_counter()
    store = "packed" if section["store"] == "auto" else section["store"]
    data: ImageData = build({**section, "store": store}, augment=Augmentation.none(), seed=0)
    if store == "stream":
        from src.data.stream.prepare import prepare_stream

        yield from prepare_stream(data, chunk=chunk, overwrite=overwrite)
        return
    spec = data.open()
    sizes = ", ".join(f"{len(indices)} {name}" for name, indices in data.splits.items())
    yield f"{sizes} images, {spec.num_classes} classes, digest {spec.digest}"
    if left_out := data.left_out_lines():
        yield f"{len(left_out)} left out: {left_out[0]}{', ...' * (len(left_out) > 1)}"
    seconds = f"ready after {time.perf_counter() - start:.1f} s"
    medium = data.medium.store if isinstance(data.medium, OnDevice) else data.medium
    if isinstance(medium, Packed):
        yield f"packed at {_size(data)}, {shown_bytes(medium.bytes)}; {seconds}"
        yield _shown(medium.folder)
    else:
        yield f"every file read, nothing packed (data.store={store}); {seconds}"
        yield _shown(data.root)


def _size(data: ImageData) -> str:
    if data.working is None:
        return "the size of the files"
    side = data.working.side
    return f"{side} x {side} pixels" if data.working.square else f"{side} pixels on the shorter side"


def _shown(path: Path) -> str:
    """Return a path as a person would type it here."""
    path = path.absolute()
    return os.fspath(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
