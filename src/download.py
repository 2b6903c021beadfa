"""Published files, fetched once: resumed after a break, checked, unpacked safely, whole or not there."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from filelock import FileLock, Timeout

from src.errors import UserError
from src.progress import Advance
from src.unpack import cannot_write, unpack

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often in a row a server may send nothing before it is given up."""
PAUSE = 1.0
"""Seconds before the second attempt; twice as long before each further one."""
_TIMEOUT = (10, 60)  # seconds to connect, and between two pieces
_PIECE = 1 << 16
_MEBIBYTE = 1 << 20
_TRY_AGAIN_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True)
class Remote:
    """A published file: addresses of which the first that delivers is taken, and its "md5:..." or "sha256:...".

    The checksum may be the first digits of it, as in torch.hub's file names, or empty where none is known.
    """

    urls: tuple[str, ...]
    checksum: str = ""

    @property
    def name(self) -> str:
        """The file's name, the same at every address."""
        return Path(urlsplit(self.urls[0]).path).name


def fetch(remote: Remote, target: Path) -> None:
    """Make `target` exist: the remote file itself or, of an archive (.tar, .tgz, .zip, .gz), what has its name inside.

    An archive that lies beside the target already, put there by hand, is used; one that was downloaded is removed
    after unpacking. One process works while others wait for it. Raises UserError where there is no network, the
    content is not what was published, or nothing can be written, saying what to do.
    """
    if target.exists():
        return
    archive = target.parent / remote.name
    with _alone(target.parent, remote.name):
        if target.exists():
            return
        by_hand = archive.exists()
        if not by_hand:
            _download(remote, archive)
        elif wrong := _mismatch(archive, remote.checksum):
            raise UserError(f"{archive} is not what was published ({wrong}): delete it, and it is downloaded")
        if archive != target:
            unpack(archive, target)
            if not by_hand:
                archive.unlink()


@contextlib.contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock of one file; say so where another process has it. Folders made for nothing are removed again."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("Waiting for another process that fetches %s", folder / name)
            lock.acquire()
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        yield
    except UserError as error:
        if not made or any(file.name != f".{name}.lock" for file in folder.iterdir()):
            raise
        (folder / f".{name}.lock").unlink()  # the folder's name may have been typed wrong
        with contextlib.suppress(OSError):
            for place in made:
                place.rmdir()
        raise UserError(f"{error} (The folder is not there yet: mkdir -p {folder.absolute()})") from error
    finally:
        lock.release()


def _download(remote: Remote, target: Path) -> None:
    """Fill `target.part`, which a later call goes on with, from the first address that delivers, and rename it."""
    part = target.with_name(f"{target.name}.part")
    reasons = []
    for url in remote.urls:
        for _ in range(2 if part.exists() else 1):  # what was begun may be of another file: then once from the start
            log.info("Downloading %s to %s", url, target.parent)
            try:
                _receive(url, part)
                wrong = _mismatch(part, remote.checksum)
                if wrong is None:
                    part.replace(target)
                    return
                part.unlink()
                reasons.append(f"  {url}: not what was published ({wrong})")
            except requests.RequestException as error:
                reasons.append(f"  {url}: {_reason(error)}")
                break
            except OSError as error:
                raise cannot_write(target.parent, error) from error
    checksum = f" ({remote.checksum.replace(':', ' ')})" if remote.checksum else ""
    raise UserError(
        f"{remote.name} cannot be downloaded:\n"
        + "\n".join(reasons)
        + f"\nWithout a network, bring {remote.urls[0]}{checksum} from another machine, put it into "
        f"{target.parent.absolute()} as {remote.name} and type the same command again."
    )


def _receive(url: str, part: Path) -> None:
    """Append to `part` until all is there. Raises RequestException after `ATTEMPTS` in a row brought nothing."""
    furthest, failures = _size(part), 0
    while True:
        try:
            _receive_some(url, part)
            return
        except requests.RequestException as error:
            status = error.response.status_code if error.response is not None else 0
            failures = 0 if _size(part) > furthest else failures + 1
            furthest = max(furthest, _size(part))
            if failures == ATTEMPTS or (400 <= status < 500 and status not in _TRY_AGAIN_LATER):
                raise
            log.info("%s: %s; trying again", url, _reason(error))
            time.sleep(PAUSE * 2 ** max(failures - 1, 0))


def _receive_some(url: str, part: Path) -> None:
    """Make one request for what is missing; a server that ignores the range sends, and is taken, from the start."""
    begun = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begun}-"} if begun else {})
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        if begun and response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # nothing is missing, or it is another file: the checksum tells
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        missing = response.headers.get("Content-Length")
        start = begun if resumed else 0
        total = -(-(start + int(missing)) // _MEBIBYTE) if missing else None
        advance = Advance(f"Downloading {part.stem}", total, unit="MiB", done=start // _MEBIBYTE)
        with advance, part.open("ab" if resumed else "wb") as file:
            for piece in response.iter_content(_PIECE):
                file.write(piece)
                advance.update(file.tell() // _MEBIBYTE - advance.done)
            file.flush()
            os.fsync(file.fileno())


def _mismatch(file: Path, checksum: str) -> str | None:
    """Return how the content differs from what `checksum` promises, or None."""
    if not checksum:
        return None
    algorithm, _, expected = checksum.partition(":")
    with file.open("rb") as content:
        found = hashlib.file_digest(content, algorithm).hexdigest()
    return None if found.startswith(expected) else f"{algorithm} {found} instead of {expected}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.SSLError):
        return f"no secure connection ({error})"
    if isinstance(error, requests.Timeout):
        return "no answer"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke"
    if isinstance(error, requests.ConnectionError):
        host = urlsplit(error.request.url).hostname if error.request is not None else "the server"
        return f"no connection to {host!r}"
    return str(error)
