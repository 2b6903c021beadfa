"""Writes a source as LitData chunks, in parallel; what was interrupted goes on where it stopped.

A chunk is a task: it is written here, copied to its place whole, and noted in `data.cache_dir`. The facts come last, so
that nobody takes an unfinished stream for a finished one. Samples lie in the order in which they will be asked for:
train as `src.data.places` shuffles it, then val and test one after the other.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import json
import logging
import os
import shutil
import tempfile
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from src.cores import cores
from src.data.image_size import suitable_size
from src.data.inspection import Content, WithAnnotation, contents, hash_of, settle_range
from src.data.places import places
from src.data.sources.base import Indices, Sample, Source, WithBoxes
from src.data.stream.index import (
    CHUNKS,
    FACTS,
    SAMPLES,
    VERSION,
    WRITING,
    Arrays,
    Described,
    Facts,
    as_json,
    below,
    blob,
    digest_of,
    from_bytes,
    to_bytes,
    without_root,
)
from src.data.stream.items import pack
from src.data.stream.location import Location
from src.errors import UserError
from src.files import atomic, write_text
from src.progress import Advance

log = logging.getLogger(__name__)

_FOLDER = "stream-writing"
_TRIED = 64  # samples that say how large the others are
_THREADS_PER_CORE = 2  # one decodes while another sends


@dataclass(frozen=True)
class Plan:
    """What goes where: the samples in the order of the stream (N,), so many to a chunk, and who is being written."""

    described: Described
    order: Indices
    per_chunk: int
    digest: str

    @property
    def chunks(self) -> list[Indices]:
        """The samples of each chunk."""
        return [self.order[start : start + self.per_chunk] for start in range(0, len(self.order), self.per_chunk)]


def write_stream(
    source: Source,
    described: Described,
    splits: Mapping[str, Indices],
    place: Location,
    *,
    root: Path,
    cache_dir: Path,
    chunk_bytes: int,
    overwrite: bool,
    skip_bad: bool,
) -> int:
    """Write all samples of a source that was set up, and return the bytes of its chunks.

    `splits` are those that it will be read with; another division of it works too, with more chunks to fetch. `root` is
    the folder that names are relative to. Raises UserError where another stream, or anything else, is at `place`
    already and `overwrite` is false, where samples are unreadable and `skip_bad` is false, and where one changes while
    it is being written.
    """
    source.at_least = None  # a stream is written once for all working sizes
    found = contents(source, np.arange(len(source)), cache_dir)
    for remark in settle_range(source, found, splits["train"]):
        log.warning("%s", remark)
    faults = {index: one.fault(source.span) for index, one in found.items()}
    bad = {index: fault for index, fault in faults.items() if fault is not None}
    if bad and not skip_bad:
        lines = [f"  {source.path(index)} {reason}" for index, reason in list(bad.items())[:20]]
        raise UserError(
            "\n".join([f"{len(bad)} samples cannot be read:", *lines, "Mend them, or type data.on_bad_sample=skip."])
        )
    order = np.array([index for index in layout(splits, len(source)).tolist() if index not in bad], np.int64)
    plan = _plan(source, described, order, found, chunk_bytes)
    if _is_there(place, plan, overwrite):
        return 0
    work = cache_dir / _FOLDER / hashlib.blake2b(f"{place.url}\0{plan.digest}".encode(), digest_size=8).hexdigest()
    work.mkdir(parents=True, exist_ok=True)
    with FileLock(work.with_suffix(".lock")):
        old = _begin(place, plan, overwrite, work)
        written = _write_chunks(source, plan, found, place, work)
        index = {"chunks": [one["chunk"] for one in written], "config": written[0]["config"]}
        arrays = _arrays(source, plan, found, work, root)
        _finish(place, source, plan, arrays, index, bad, work, root)
        _remove(place, old - {chunk["filename"] for chunk in index["chunks"]})
        shutil.rmtree(work)
    return sum(chunk["chunk_bytes"] for chunk in index["chunks"])


def layout(splits: Mapping[str, Indices], count: int) -> Indices:
    """Return all samples (N,) in the order that they are asked for: train by its places, the others in order."""
    train = splits["train"]
    ordered = [train[np.argsort(places(count)[train], kind="stable")], splits["val"], splits["test"]]
    rest = np.setdiff1d(np.arange(count), np.concatenate(ordered))
    return np.concatenate([*ordered, rest]).astype(np.int64)


def _plan(source: Source, described: Described, order: Indices, found: Mapping[int, Content], chunk_bytes: int) -> Plan:
    tried = order[:: max(1, len(order) // _TRIED)]
    size = sum(len(_encoded(source, int(index)) or source.read(int(index))["image"].tobytes()) for index in tried)
    per_chunk = max(1, int(chunk_bytes * len(tried) / max(1, size)))
    known = json.dumps(
        [VERSION, described, per_chunk, *(source.span or ()), [[one.name, one.digest] for one in found.values()]]
    )
    digest = hashlib.blake2b(known.encode() + order.tobytes() + source.labels().tobytes(), digest_size=16).hexdigest()
    return Plan(described, order, per_chunk, digest)


def _is_there(place: Location, plan: Plan, overwrite: bool) -> bool:
    """Tell whether this stream is finished already. Raises UserError where something else must not be replaced."""
    if place.exists(FACTS):
        facts = json.loads(place.read(FACTS))
        if facts.get("plan") == plan.digest:
            return True
        if not overwrite:
            raise UserError(
                f"data.stream={place.url}: another stream is there, of {facts.get('written_from', {}).get('source')}; "
                "name another place, or type overwrite=true to replace it"
            )
    elif place.exists(WRITING):
        if json.loads(place.read(WRITING)).get("plan") != plan.digest and not overwrite:
            raise UserError(
                f"data.stream={place.url}: an unfinished stream of other data, or of other settings, is there; name "
                "another place, or type overwrite=true to replace it"
            )
    elif not overwrite and not place.is_empty():
        raise UserError(
            f"data.stream={place.url}: something else is there; name an empty place, or type overwrite=true to write "
            "beside it"
        )
    return False


def _begin(place: Location, plan: Plan, overwrite: bool, work: Path) -> set[str]:
    """Make what is there unfinished, and return the chunks of the stream that is being replaced."""
    old: set[str] = set()
    if overwrite and place.exists(CHUNKS):
        old = {str(chunk["filename"]) for chunk in json.loads(place.read(CHUNKS))["chunks"]}
        place.remove(FACTS)
    _put(place, WRITING, json.dumps({"plan": plan.digest}).encode(), work)
    return old


def _finish(
    place: Location,
    source: Source,
    plan: Plan,
    arrays: Arrays,
    index: dict[str, Any],
    bad: Mapping[int, str],
    work: Path,
    root: Path,
) -> None:
    samples, chunks = to_bytes(arrays), json.dumps(index, sort_keys=True).encode()
    facts = Facts(
        version=VERSION,
        digest=digest_of(samples, chunks),
        plan=plan.digest,
        written_from=plan.described,
        targets=tuple(source.targets),
        classes=tuple(source.classes),
        channels=source.channels,
        num_keypoints=source.num_keypoints,
        multilabel=source.multilabel,
        image_size=suitable_size(source)[0],
        square=source.square,
        bad_rows=tuple((without_root(row.place, root), without_root(row.reason, root)) for row in source.bad_rows),
        unreadable=tuple(bad.items()),
        flip_pairs=source.flip_pairs,
        span=source.span,
    )
    _put(place, CHUNKS, chunks, work)
    _put(place, SAMPLES, samples, work)
    _put(place, FACTS, as_json(facts), work)
    place.remove(WRITING)


def _remove(place: Location, names: set[str]) -> None:
    for name in sorted(names):
        place.remove(name)


def _put(place: Location, name: str, data: bytes, work: Path) -> None:
    path = work / name
    with atomic(path) as file:
        file.write(data)
    place.upload(name, path)
    path.unlink()


def _arrays(source: Source, plan: Plan, found: Mapping[int, Content], work: Path, root: Path) -> Arrays:
    """Return what is known of each sample, in the order of the source; only `checks` is in that of the stream."""
    count = len(source)
    kept = [from_bytes((work / f"{number}.npz").read_bytes()) for number in range(len(plan.chunks))]
    paths = [source.path(index) for index in range(count)]
    names = ["" if path is None else below(path, root) for path in paths]
    for index, name in zip(plan.order.tolist(), np.concatenate([one["names"] for one in kept]).tolist(), strict=True):
        names[index] = names[index] or name
    place = np.full(count, -1)
    place[plan.order] = np.arange(len(plan.order))
    arrays: Arrays = {
        "place": place,
        "checks": np.concatenate([one["checks"] for one in kept]),
        "labels": source.labels(),
        "content": np.array([list(bytes.fromhex(found[index].digest)) for index in range(count)], np.uint8),
        "has_file": np.array([path is not None for path in paths]),
    }
    said = [source.annotation(index) if isinstance(source, WithAnnotation) else b"" for index in range(count)]
    for key, parts in (("name", [os.fsencode(name) for name in names]), ("annotation", said)):
        arrays[f"{key}_bytes"], arrays[f"{key}_ends"] = blob(parts)
    if source.multilabel:
        arrays["many"] = np.zeros((count, len(source.classes)), np.bool_)
        arrays["many"][plan.order] = np.concatenate([one["many"] for one in kept])
    if "identity" in source.targets:
        arrays["identities"] = source.identities()
    if isinstance(source, WithBoxes):
        everything = np.arange(count)
        arrays["boxes"], arrays["sizes"] = source.boxes(everything), source.sizes(everything)
    if (pairs := source.pairs()) is not None:
        kind = np.full_like(pairs.fold, pairs.trains)
        arrays["pairs"] = np.stack([pairs.first, pairs.second, pairs.same.astype(np.int64), pairs.fold, kind])
    if (triplets := source.triplets()) is not None:
        arrays["triplets"] = triplets
    return arrays | {f"split {name}": indices for name, indices in source.splits().items()}


def _write_chunks(
    source: Source, plan: Plan, found: Mapping[int, Content], place: Location, work: Path
) -> list[dict[str, Any]]:
    """Write the chunks that are not there yet, and return LitData's notes on all of them, in order.

    In threads, as files are decoded and sent without the interpreter: processes would outlive one that is killed.
    """
    chunks = plan.chunks
    missing = [n for n in range(len(chunks)) if not _is_written(place, work, n)]
    if len(missing) < len(chunks):
        log.info("data.stream=%s: goes on after %d of %d chunks", place.url, len(chunks) - len(missing), len(chunks))
    importlib.import_module("litdata.streaming.writer")  # once, not in all threads together
    advance = Advance("Writing", len(chunks), unit="chunks", done=len(chunks) - len(missing))
    with advance, ThreadPoolExecutor(_THREADS_PER_CORE * cores()) as pool:
        tasks = [pool.submit(_write_chunk, n, chunks[n], source, found, place, work) for n in missing]
        try:
            for task in tasks:
                task.result()
                advance.update()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [json.loads((work / f"{number}.json").read_text()) for number in range(len(chunks))]


def _is_written(place: Location, work: Path, number: int) -> bool:
    note = work / f"{number}.json"
    return note.exists() and place.exists(json.loads(note.read_text())["chunk"]["filename"])


def _write_chunk(
    number: int, indices: Indices, source: Source, found: Mapping[int, Content], place: Location, work: Path
) -> None:
    """Write one chunk to its place, then what `_arrays` needs of it, and last the note that it is there."""
    from litdata.streaming.writer import BinaryWriter

    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(dir=work, prefix=f"{number}-") as folder:
        writer = BinaryWriter(folder, chunk_size=len(indices) + 1, chunk_index=number)
        for position, index in enumerate(indices.tolist()):
            encoded = _encoded(source, index)
            if encoded is not None and hash_of(encoded) != found[index].digest:
                raise UserError(f"{source.path(index)} changes while it is being written; type the same command again")
            sample = source.read(index)
            writer.add_item(position, pack(sample, source.targets, encoded))
            samples.append({key: sample[key] for key in ("path", "label") if key in sample})
        writer.done()
        note = json.loads((Path(folder) / f"{writer.rank}.{CHUNKS}").read_text())
        (chunk,) = note["chunks"]
        path = Path(folder) / chunk["filename"]
        columns: Arrays = {"checks": _checks(path.read_bytes()), "names": np.array([one["path"] for one in samples])}
        if source.multilabel:
            columns["many"] = np.array([one["label"] for one in samples], np.bool_)
        place.upload(chunk["filename"], path)
    with atomic(work / f"{number}.npz") as file:
        file.write(to_bytes(columns))
    # Every chunk of a stream must have the same configuration, whatever its length.
    write_text(work / f"{number}.json", json.dumps({"chunk": chunk, "config": note["config"] | {"chunk_size": None}}))


def _encoded(source: Source, index: int) -> bytes | None:
    path = source.path(index)
    return None if path is None else path.read_bytes()


def _checks(data: bytes) -> NDArray[np.uint32]:
    """Return the CRC-32 of each item of a chunk, which begins with their number and where they begin and end."""
    count = int(np.frombuffer(data, "<u4", 1)[0])
    ends = np.frombuffer(data, "<u4", count + 1, 4).tolist()
    return np.array([zlib.crc32(data[first:last]) for first, last in itertools.pairwise(ends)], np.uint32)
