"""samples.txt.gz: a line for each sample that a run used, so that a later run can name those that changed."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping

from src.files import atomic
from src.runs.directory import RunDirectory

NAME = "samples.txt.gz"


def write_samples(run: RunDirectory, samples: Mapping[str, str]) -> None:
    """Write digest and name of each sample, sorted by name; equal data give equal bytes."""
    lines = "".join(f"{digest} {name.encode('unicode_escape').decode()}\n" for name, digest in sorted(samples.items()))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:
        file.write(lines.encode())
    with atomic(run.path / NAME) as whole:
        whole.write(packed.getvalue())


def read_samples(run: RunDirectory) -> dict[str, str] | None:
    """Return the digest of each sample by its name, None where the run has not kept them."""
    try:
        text = gzip.decompress((run.path / NAME).read_bytes()).decode()
    except (OSError, EOFError, ValueError):
        return None
    pairs = (line.partition(" ") for line in text.splitlines())
    return {name.encode().decode("unicode_escape"): digest for digest, _, name in pairs}
