"""Making a packed store: decoded by all cores, written under a temporary name, whole or not there, resumable.

Samples go in pieces. The pixels of a piece are appended to the images' file and flushed to disk before the piece's
targets are written, whose file says how far the pixels go: after a kill, what no such file vouches for is cut off, and
packing goes on from there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from src.cores import cores
from src.data.media.packed import IMAGES, INDEX, MANIFEST
from src.data.medium import Medium
from src.data.sources.base import Indices, Sample
from src.errors import UserError
from src.files import atomic, write_json
from src.progress import Advance

_PIECE_BYTES, _PIECE_SAMPLES = 1 << 25, 256
"""What a piece has at most; of two pieces at a time the images are in memory."""
_PLAN = "plan.json"
_NARROW = {"mask": np.dtype(np.uint8)}
"""Targets that are stored as a narrower type than they have: classes per pixel are 0 to 255."""

Piece = dict[str, NDArray[Any]]
"""Of the samples of a piece: `index` (n, 4), and of each target `KEY` all values and `KEY.shapes` (n, dimensions)."""


def pack(
    medium: Medium,
    indices: Indices,
    targets: Sequence[str],
    *,
    channels: int,
    bytes_each: float,
    folder: Path,
    belongs_to: Mapping[str, Any],
) -> None:
    """Write samples (N,) of a medium, about `bytes_each`, with their targets to the store `folder`, unless it is there.

    A second process that asks for the same store waits. Raises UserError where the disk is full or cannot be written
    to; what has been packed by then is used by the next attempt.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_suffix(".lock")).acquire()
    except OSError as error:
        raise UserError(
            f"data.cache_dir: {folder.parent} cannot be written ({error.strerror}): name another"
        ) from error
    with lock:
        if (folder / MANIFEST).exists():
            return
        part = folder.with_suffix(".part")
        try:
            each = max(1, min(_PIECE_SAMPLES, int(_PIECE_BYTES / bytes_each)))
            pieces = [indices[start : start + each] for start in range(0, len(indices), each)]
            _begin(part, {"belongs_to": dict(belongs_to), "piece": each})
            if not (part / MANIFEST).exists():
                _add_pieces(medium, pieces, targets, part)
                described = _join(part, len(pieces), targets)
                write_json(
                    part / MANIFEST,
                    {"belongs_to": dict(belongs_to), "samples": len(indices), "channels": channels} | described,
                )
            for number in range(len(pieces)):  # not before the manifest: it says that they are not needed any more
                _file_of(part, number).unlink(missing_ok=True)
            (part / _PLAN).unlink(missing_ok=True)
            part.rename(folder)
            _flush(folder.parent)
        except OSError as error:
            raise UserError(
                f"{part} cannot be written: {error.strerror or error}. Make room and type the same again, which goes "
                "on from there; or name another data.cache_dir, a smaller data.working_size, or data.store=files"
            ) from error


def packed_so_far(folder: Path) -> int:
    """Return the bytes of images that an interrupted packing of a store has left, with which the next goes on."""
    images = folder.with_suffix(".part") / IMAGES
    return images.stat().st_size if images.exists() else 0


def _begin(part: Path, plan: Mapping[str, Any]) -> None:
    """Make the temporary folder, or keep one in which the same was being packed, or that lacks only its name."""
    try:
        if (part / MANIFEST).exists() or json.loads((part / _PLAN).read_text()) == plan:
            return
    except (OSError, ValueError):
        pass
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    write_json(part / _PLAN, plan)


def _add_pieces(medium: Medium, pieces: Sequence[Indices], targets: Sequence[str], part: Path) -> None:
    """Decode what is missing and append it."""
    done, end = _kept(part, len(pieces))
    total, initial = (sum(map(len, some)) for some in (pieces, pieces[:done]))
    with Advance("Packing", total, unit="images", done=initial) as advance, (part / IMAGES).open("ab") as images:
        images.truncate(end)
        for number, samples in enumerate(_decoded(medium, pieces[done:]), start=done):
            piece = _piece(samples, targets, end)
            for sample in samples:
                images.write(np.ascontiguousarray(sample["image"]).data)
                end += sample["image"].nbytes
            _flush(images)
            with atomic(_file_of(part, number)) as file:
                np.savez(file, allow_pickle=False, end=np.array(end), **piece)
            advance.update(len(samples))


def _kept(part: Path, count: int) -> tuple[int, int]:
    """Return how many pieces, from the first, are there with their pixels, and where these end; the others go."""
    done = next((number for number in range(count) if not _file_of(part, number).exists()), count)
    end = int(_load(part, done - 1)["end"]) if done else 0
    if end and (not (part / IMAGES).exists() or (part / IMAGES).stat().st_size < end):
        done = end = 0
    for number in range(done, count):  # else one would vouch for pixels that are cut off now, once those before it are
        _file_of(part, number).unlink(missing_ok=True)
    return done, end


def _decoded(medium: Medium, pieces: Sequence[Indices]) -> Iterator[list[Sample]]:
    """Yield the samples of each piece in order; some pieces ahead are read in threads, since decoding frees Python."""
    threads = cores()
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[list[Future[Sample]]] = deque()
        for piece in pieces:
            waiting.append([pool.submit(medium.read, index) for index in piece.tolist()])
            if len(waiting) > 1:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]


def _piece(samples: Sequence[Sample], targets: Sequence[str], start: int) -> Piece:
    sizes = [sample["image"].nbytes for sample in samples]
    offsets = start + np.cumsum([0, *sizes[:-1]])
    rows = [
        (sample["index"], offset, *sample["image"].shape[:2])
        for sample, offset in zip(samples, offsets.tolist(), strict=True)
    ]
    piece: Piece = {"index": np.array(rows, np.int64)}
    for key in targets:
        values = [np.asarray(sample[key]) for sample in samples]
        piece[f"{key}.shapes"] = np.array([value.shape for value in values], np.int64).reshape(len(values), -1)
        flat = np.concatenate([value.ravel() for value in values])
        piece[key] = flat.astype(_NARROW.get(key, flat.dtype))
        piece[f"{key}.dtype"] = np.array(flat.dtype.str)
    return piece


def _join(part: Path, count: int, targets: Sequence[str]) -> dict[str, Any]:
    """Write index and targets of all pieces; returns the bytes of the images, and the targets."""
    pieces = range(count)
    index = np.concatenate([_load(part, number)["index"] for number in pieces])
    _save(part / INDEX, index)
    described = {key: _join_target(part, key, pieces) for key in targets}
    return {"bytes": int(_load(part, pieces[-1])["end"]), "targets": described}


def _join_target(part: Path, key: str, pieces: range) -> dict[str, Any]:
    """Write all values of a target: stacked where all have one shape, else flat beside their shapes."""
    shapes = np.concatenate([_load(part, number)[f"{key}.shapes"] for number in pieces])
    ragged = bool((shapes != shapes[0]).any())
    first = _load(part, pieces[0])
    name, shape = (f"{key}.flat.npy", (-1,)) if ragged else (f"{key}.npy", (len(shapes), *shapes[0].tolist()))
    total = int(shapes.prod(axis=1).sum())
    values = np.lib.format.open_memmap(part / name, "w+", first[key].dtype, (total,) if ragged else shape)
    flat, start = values.reshape(-1), 0
    for number in pieces:
        piece = _load(part, number)[key]
        flat[start : start + len(piece)] = piece
        start += len(piece)
    values.flush()
    if ragged:
        _save(part / f"{key}.shapes.npy", shapes)
        _save(part / f"{key}.starts.npy", np.concatenate([[0], np.cumsum(shapes.prod(axis=1))]))
    return {"dtype": str(first[f"{key}.dtype"]), "ragged": ragged}


def _file_of(part: Path, number: int) -> Path:
    return part / f"piece-{number:06d}.npz"


def _load(part: Path, number: int) -> Any:
    return np.load(_file_of(part, number), allow_pickle=False)


def _save(path: Path, array: NDArray[Any]) -> None:
    with atomic(path) as file:
        np.save(file, array)


def _flush(what: IO[bytes] | Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    if isinstance(what, Path):
        with contextlib.suppress(OSError):  # not every file system knows how
            descriptor = os.open(what, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    else:
        what.flush()
        os.fsync(what.fileno())
