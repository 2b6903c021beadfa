"""Every file that a run uses is read once before training: what it holds is hashed, and whether it decodes is tried.

What was found out is kept in `data.cache_dir` by path, size and time of change, so that the next start only asks the
file system. The digest names the data, not the place: the same files elsewhere have the same digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from filelock import FileLock

from src.cores import cores
from src.data import decode as decoder
from src.data import image_headers, value_range
from src.data.decode import Unreadable, examine
from src.data.sources.base import Indices, Source
from src.data.value_range import Span, Values, outside, settled
from src.errors import UserError
from src.files import write_text
from src.progress import Advance

_CHUNK = 64  # files per task of the thread pool
_DIGITS = 10
"""Hexadecimal digits of a sample's digests: enough to see that it changed, few enough to keep for every run."""
_SETTLED = 1_000_000_000  # ns; a younger file may change again within one tick of the file system's clock

Fact = tuple[int, int, str, str | None, Values | None]
"""What is known of a file: size, mtime_ns, hash of its content, why it is unreadable (None where it is not), and the
values of more than 8 bits.
"""


@dataclass(frozen=True)
class BadSample:
    """A sample that cannot be decoded; `reason` completes a sentence that begins with the path."""

    index: int
    path: str
    reason: str


@dataclass(frozen=True)
class Inspection:
    """`digest` is over the names, contents and labels of what was used, whether readable or not.

    `listing` is over the same of what is readable, with each sample's number in the source: equal listings mean equal
    samples under equal numbers.
    """

    digest: str
    listing: str
    unreadable: tuple[BadSample, ...]
    samples: Mapping[str, str]
    """Of each name what changes with content, label and annotation. Samples of one file share its entry."""
    names: Mapping[int, str]
    """The name of each sample, by its number in the source."""
    contents: Mapping[int, str]
    """The hash of what each sample holds, by its number in the source."""
    truths: Mapping[int, str]
    """What each sample is said to show, as a digest of label and annotation, by its number in the source."""
    remarks: tuple[str, ...]
    """What a person should know of the values of the images."""

    def divided(self, splits: Mapping[str, Indices]) -> str:
        """Return a digest over what was used and how: the samples of each split, by their numbers, in order.

        The numbers count, since what a sample is augmented with is drawn from its own.
        """
        parts = [self.digest, self.listing]
        parts += [f"{name} {hash_of(indices.astype('<i8').tobytes())}" for name, indices in sorted(splits.items())]
        return hash_of(json.dumps(parts).encode())

    def with_splits(self, splits: Mapping[str, Indices]) -> dict[str, str]:
        """Return `samples` with the splits that each is in."""
        found = dict(self.samples)
        for split, indices in splits.items():
            for name in dict.fromkeys(self.names[int(index)] for index in indices):
                found[name] += f"/{split}"
        return found


@runtime_checkable
class WithAnnotation(Protocol):
    """A source whose truth is more than `labels()`: several labels, boxes, points."""

    def annotation(self, index: int) -> bytes:
        """Return bytes that change when what the sample is said to show does."""


@runtime_checkable
class WithContent(Protocol):
    """A source that was inspected where it came from: nothing is read to know what its samples hold."""

    def content(self, index: int) -> tuple[str, str | None]:
        """Return the hash of a sample's content, and why it is unreadable (None where it is not)."""


@dataclass(frozen=True)
class Content:
    """What a sample is called below the folder that all files have in common, the hash of what it holds, and `Fact`'s
    reason.
    """

    name: str
    digest: str
    reason: str | None
    values: Values | None = None

    def fault(self, span: Span | None) -> str | None:
        """Return why it cannot be shown, None where it can, with the range of values that is seen."""
        return self.reason or (self.values.fault if span is None and self.values is not None else None)


def inspect(source: Source, indices: Indices, cache_dir: str | Path, train: Indices | None = None) -> Inspection:
    """Read the samples `indices` (N,) of a source that was set up, and settle its range of values on those of `train`.

    Without `train` the source's range is known already, from what was trained. Raises UserError where `cache_dir`
    cannot be written.
    """
    found = contents(source, indices, cache_dir)
    if train is None:
        remarks = outside(source.span, [one.values for one in found.values() if one.values is not None])
    else:
        remarks = settle_range(source, found, train)
    labels = source.labels()
    annotation = source.annotation if isinstance(source, WithAnnotation) else _no_annotation
    lines, readable, unreadable = [], [], []
    samples: dict[str, str] = {}
    truths: dict[int, str] = {}
    for index, one in found.items():
        line = [one.name, one.digest, int(labels[index]), annotation(index).hex()]
        lines.append(line)
        shown = _short(one.digest, int(labels[index]), annotation(index).hex())
        samples[one.name] = f"{samples[one.name]},{shown}" if one.name in samples else shown
        truths[index] = f"{int(labels[index])}:{annotation(index).hex()}"
        reason = one.fault(source.span)
        if reason is None:
            readable.append([index, *line])
        elif (path := source.path(index)) is not None:
            unreadable.append(BadSample(index, str(path.absolute()), reason))
    digest = hash_of(json.dumps([list(source.classes), sorted(lines)]).encode())
    listing = hash_of(json.dumps([list(source.classes), readable]).encode())
    names = {index: one.name for index, one in found.items()}
    digests = {index: one.digest for index, one in found.items()}
    return Inspection(digest, listing, tuple(unreadable), samples, names, digests, truths, tuple(remarks))


def settle_range(source: Source, found: Mapping[int, Content], train: Indices) -> list[str]:
    """Set the source's range of values by what its training images hold; returns what a person should know of it.

    A source that was inspected where it came from has its range from there.
    """
    if isinstance(source, WithContent):
        return []
    held = [found[index].values for index in train.tolist() if index in found]
    source.span, remarks = settled(source.range, [values for values in held if values is not None])
    return remarks


def contents(source: Source, indices: Indices, cache_dir: str | Path) -> dict[int, Content]:
    """Return what each of these samples holds, by its index."""
    numbers = [int(index) for index in indices]
    paths = {index: str(path.absolute()) for index in numbers if (path := source.path(index)) is not None}
    root = os.path.commonpath({path.rpartition(os.sep)[0] or os.sep for path in paths.values()}) if paths else ""
    names = {index: path[len(root) :].lstrip(os.sep) for index, path in paths.items()}
    shown = {index: names.get(index, str(index)).replace(os.sep, "/") for index in numbers}
    if isinstance(source, WithContent):
        return {index: Content(shown[index], *source.content(index)) for index in numbers}
    facts = _facts_of(root, sorted(set(names.values())), source.channels, Path(cache_dir)) if names else {}
    found = {}
    for index in numbers:
        if index in names:
            found[index] = Content(shown[index], *facts[names[index]][2:])
        else:
            found[index] = Content(shown[index], hash_of(source.fingerprint(index)), None)
    return found


def _short(content: str, label: int, annotation: str) -> str:
    """A sample in a few letters. Only annotations are hashed here: the contents of many files must not cost time."""
    digests = [content, *([hash_of(annotation.encode())] if annotation else [])]
    return ":".join([str(label), *map(short_digest, digests)])


def short_digest(digest: str) -> str:
    """Return what is kept of a digest for each sample of a run."""
    return digest[:_DIGITS]


def _no_annotation(_: int) -> bytes:
    return b""


def hash_of(data: bytes) -> str:
    """Return the hash that a sample's content is known by."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _facts_of(root: str, names: Sequence[str], channels: int, cache_dir: Path) -> dict[str, Fact]:
    """Return a fact for every name below `root`, reading only the files that are not known as they are now."""
    cache = cache_dir / "inspection" / f"{_cache_key(root, channels)}.json"
    known = _load(cache)
    missing = [name for name in names if not _is_current(root, name, known)]
    if not missing:
        return known
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache.with_suffix(".lock")).acquire()  # a second process waits, then finds the work done
    except OSError as error:
        raise UserError(f"data.cache_dir={cache_dir} cannot be written ({error.strerror}): name another") from error
    with lock:
        known = _load(cache)
        missing = [name for name in missing if not _is_current(root, name, known)]
        known.update(_read_all(root, missing, channels))
        write_text(cache, json.dumps({name: _plain(fact) for name, fact in known.items() if _is_settled(fact)}))
    return known


def _cache_key(root: str, channels: int) -> str:
    """What a fact depends on beside the file: where it is, and how it is decoded."""
    rules = b"".join(Path(module.__file__ or "").read_bytes() for module in (decoder, image_headers, value_range))
    return hash_of(f"{root}\0{channels}\0".encode() + rules)


def _load(cache: Path) -> dict[str, Fact]:
    """Return what an earlier run found out; nothing where the file is missing or broken."""
    try:
        content = json.loads(cache.read_bytes())
        return {name: (*fact[:4], None if fact[4] is None else Values(*fact[4])) for name, fact in content.items()}
    except (OSError, ValueError, TypeError, AttributeError, IndexError):
        return {}


def _plain(fact: Fact) -> list[Any]:
    return [*fact[:4], None if fact[4] is None else astuple(fact[4])]


def _is_current(root: str, name: str, known: dict[str, Fact]) -> bool:
    fact = known.get(name)
    if fact is None:
        return False
    try:
        status = os.stat(f"{root}{os.sep}{name}")  # noqa: PTH116 - a third of the time of Path's, for every file
    except OSError:
        return False
    return fact[:2] == (status.st_size, status.st_mtime_ns)


def _is_settled(fact: Fact) -> bool:
    """Tell whether a later change of the file must show in its time of change; what is younger is read again."""
    return time.time_ns() - fact[1] > _SETTLED


def _read_all(root: str, names: Sequence[str], channels: int) -> Iterator[tuple[str, Fact]]:
    """Read files in threads: decoding releases the interpreter."""
    chunks = [names[start : start + _CHUNK] for start in range(0, len(names), _CHUNK)]
    threads = cores()
    with Advance("Reading", len(names), unit="images") as advance, ThreadPoolExecutor(min(16, 2 * threads)) as pool:
        for chunk, facts in zip(chunks, pool.map(lambda part: _read(root, part, channels), chunks), strict=True):
            advance.update(len(chunk))
            yield from zip(chunk, facts, strict=True)


def _read(root: str, names: Sequence[str], channels: int) -> list[Fact]:
    return [_read_one(Path(root, name), channels) for name in names]


def _read_one(path: Path, channels: int) -> Fact:
    try:
        status = path.stat()
        data = path.read_bytes()
    except OSError as error:
        return -1, 0, "", f"cannot be read: {error.strerror}", None
    reason, values = None, None
    try:
        values = examine(data, channels)
    except Unreadable as error:
        reason = error.reason
    return status.st_size, status.st_mtime_ns, hash_of(data), reason, values
