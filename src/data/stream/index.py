"""All that a source knows of its samples before it decodes one, as two files beside the chunks.

`stream.json` has the small facts and is written last: a stream without it is unfinished. `stream.npz` has what is known
of each sample. LitData's own `index.json` says what a chunk is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.data.sources.base import Source
from src.data.stream.location import Location
from src.errors import UserError

FACTS, SAMPLES, CHUNKS = "stream.json", "stream.npz", "index.json"
WRITING = "writing.json"
"""What is there while a stream is being written: which one."""
VERSION = 1

_ROOT = "data.root/"
"""Stands for the data's root in messages."""

Described = dict[str, Any]
_FOLLOWS = object()
"""In place of objects that a source made from its settings."""
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Facts:
    """What is the same for all samples, with the names and meanings that `Source` has."""

    version: int
    digest: str
    """Over `stream.npz` and LitData's index: what the local copies of chunks are filed under."""
    plan: str
    """Over what was to be written and how: what an interrupted writing is recognised by."""
    written_from: Described
    targets: tuple[str, ...]
    classes: tuple[str, ...]
    channels: int
    num_keypoints: int
    multilabel: bool
    image_size: int
    square: bool
    bad_rows: tuple[tuple[str, str], ...]
    unreadable: tuple[tuple[int, str], ...]
    """Samples that could not be decoded, and why; they are in no chunk."""
    flip_pairs: tuple[tuple[int, int], ...] | None = None
    span: tuple[float, float] | None = None
    """The values of more than 8 bits that became 0 and 255 in the images of the chunks."""


def read_index(place: Location) -> tuple[Facts, Arrays, dict[str, Any]]:
    """Return the facts, the arrays and LitData's index of a finished stream.

    Raises UserError where there is none, it is unfinished, of another version, or its parts do not belong together.
    """
    if not place.exists(FACTS):
        raise UserError(f"data.stream={place.url}: {_state(place)}; write it with {command(place)}")
    try:
        values = json.loads(place.read(FACTS))
        if values["version"] != VERSION:
            raise UserError(
                f"data.stream={place.url}: a stream of version {values['version']}, where this program reads "
                f"{VERSION}; write it again with {command(place)} overwrite=true"
            )
        facts = Facts(**{key: _fixed(value) for key, value in values.items()})
    except (ValueError, TypeError, KeyError) as error:
        raise _broken(place, FACTS) from error
    samples, chunks = place.read(SAMPLES), place.read(CHUNKS)
    if digest_of(samples, chunks) != facts.digest:
        raise _broken(place, f"{SAMPLES} or {CHUNKS}")
    return facts, from_bytes(samples), json.loads(chunks)


def command(place: Location) -> str:
    """Return what writes a stream here."""
    return f"python -m src.prepare data=... data.store=stream data.stream={place.url}"


def digest_of(samples: bytes, chunks: bytes) -> str:
    """Return the digest that binds the files of a stream together."""
    return hashlib.blake2b(samples + chunks, digest_size=16).hexdigest()


def as_json(facts: Facts) -> bytes:
    """Return `stream.json`."""
    return json.dumps(dataclasses.asdict(facts), indent=2).encode()


def to_bytes(arrays: Arrays) -> bytes:
    """Return `stream.npz`."""
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def from_bytes(data: bytes) -> Arrays:
    """Return the arrays of a `stream.npz`."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def blob(parts: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return byte strings one after the other, and where each ends."""
    return np.frombuffer(b"".join(parts), np.uint8), np.cumsum([len(part) for part in parts], dtype=np.int64)


def describe(source: Source) -> Described:
    """Return what a source was told, without where its data lie: its class and its settings, as plain values.

    To be taken before `prepare` and `setup`, which add what they find out.
    """
    kind = type(source)
    root = getattr(source, "root", None)
    settings = {
        name: _plain(value, root)
        for name, value in sorted(vars(source).items())
        if name not in ("root", "at_least", "span") and not name.startswith("_")
    }
    known = {name: value for name, value in settings.items() if value is not _FOLLOWS}
    return {"source": f"{kind.__module__}.{kind.__qualname__}"} | known


def differences(here: Described, there: Mapping[str, Any]) -> list[str]:
    """Return what two descriptions do not agree on, a clause each."""
    return [
        f"{name} is {there.get(name)!r} in the stream and {here.get(name)!r} here"
        for name in sorted({*here, *there})
        if here.get(name) != there.get(name)
    ]


def below(path: Path, root: Path) -> str:
    """Return what a path is called in a stream: from the data's root, whoever wrote it and wherever."""
    return Path(os.path.relpath(path, root)).as_posix()


def without_root(text: str, root: Path) -> str:
    """Return a message about the data without the writer's own folders in it."""
    return text.replace(f"{root}{os.sep}", _ROOT)


def with_root(text: str, root: Path) -> str:
    """Return a message as the source would give it here."""
    return text.replace(_ROOT, f"{root}{os.sep}")


def _plain(value: Any, root: Path | None) -> Any:
    """Return a setting as JSON gives it back, a path relative to the data's root; what is no setting is `_FOLLOWS`."""
    if isinstance(value, Path):
        return below(value, root) if root else value.as_posix()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    try:
        return json.loads(json.dumps(value))
    except TypeError:
        return _FOLLOWS


def _state(place: Location) -> str:
    if place.exists(WRITING):
        return "the stream there is unfinished: its writing was interrupted, or goes on"
    return "nothing is there" if place.is_empty() else f"there is no {FACTS}, so it is no stream of this program"


def _broken(place: Location, name: str) -> UserError:
    return UserError(
        f"data.stream={place.url}: {name} is damaged or of another stream; write it again with {command(place)} "
        "overwrite=true"
    )


def _fixed(value: Any) -> Any:
    """Return a JSON value with tuples in place of lists; what is within a mapping stays as it is."""
    return tuple(map(_fixed, value)) if isinstance(value, list) else value
