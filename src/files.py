r"""Files that are whole or not there: written to a temporary name beside the target, flushed to disk, and renamed.

Text is UTF-8. A name of a file may hold bytes that are not (those of an archive from Windows, say): wherever it is
written or printed they are shown as `\xe4`, by the error handler `PRINTABLE`.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from src.errors import UserError

PRINTABLE = "printable"
"""How to encode what Python made of bytes that are no UTF-8: `open(..., errors=PRINTABLE)`."""


def _escaped(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    numbers = map(ord, error.object[error.start : error.end])
    return "".join(f"\\x{n - 0xDC00:02x}" if 0xDC80 <= n <= 0xDCFF else f"\\u{n:04x}" for n in numbers), error.end


codecs.register_error(PRINTABLE, _escaped)


def printable(text: str) -> str:
    r"""Return a text as it can be written: bytes of a name that are no UTF-8 become `\xe4`."""
    return text.encode("utf-8", PRINTABLE).decode()


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open `path` for writing; it appears, or is replaced, only when the block has ended without an error.

    The temporary file lies beside the target: a rename across file systems would be a copy, which a kill can cut.
    Raises UserError where the disk is full or the folder cannot be written to; the old file then stays as it was.
    """
    if not path.name or path.is_dir():
        raise UserError(f"{path} is a folder: a file's name is expected")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; what was there before is untouched"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    with atomic(path) as file:
        file.write(text.encode(errors=PRINTABLE))


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows whole, with the columns of the first; floats so that they read back exactly."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole, indented, keys in the order given."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
