"""Files of weights from the web, fetched once into torch's own folder of checkpoints."""

from __future__ import annotations

import hashlib
import re
import sys
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen
from uuid import uuid4

import torch
from tqdm import tqdm

from src.errors import UserError

TIMEOUT_S = 10.0
"""How long a server may be silent."""

CHUNK = 1 << 20
HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.\w+$")
"""The convention of torch.hub: `resnet18-f37072fd.pth` begins with that SHA-256."""


def downloaded(url: str) -> Path:
    """Return the local copy of `url`, fetching it where there is none.

    A file appears under its name only when it is complete and its hash, if the name has one, is right, so that a break
    or several processes at once leave nothing half-written. Raises UserError with the place to put the file by hand.
    """
    target = local_copy(url)
    if not target.exists():
        part = target.with_name(f".{uuid4().hex}-{target.name}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _fetch(url, part)
            part.replace(target)
        except (OSError, HTTPException) as error:  # URLError and timeouts are OSErrors
            raise UserError(
                f"network.weights: {url} could not be downloaded ({error}). Download it where there is a network, and "
                f"either put it at {target} or give the file: network.weights=FILE"
            ) from error
        finally:
            part.unlink(missing_ok=True)
    return target


def local_copy(url: str) -> Path:
    """Return where `url` is kept: as torch.hub does, but names without a hash stand in a folder of their URL's own."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    name = url.partition("?")[0].rstrip("/").rpartition("/")[2]
    if HASH_IN_NAME.search(name):
        return folder / name
    return folder / f"url-{hashlib.sha256(url.encode()).hexdigest()[:12]}" / name


def _fetch(url: str, part: Path) -> None:
    """Write `url` to `part`. Raises OSError where it breaks off: torch.hub's own waits for ever and keeps the rest."""
    digest = hashlib.sha256()
    request = Request(url, headers={"User-Agent": "torch.hub"})
    with urlopen(request, timeout=TIMEOUT_S) as response, part.open("wb") as file:
        size = int(response.headers.get("Content-Length") or 0) or None
        label = url.rpartition("/")[2]
        with tqdm(total=size, desc=label, unit="B", unit_scale=True, disable=not sys.stderr.isatty()) as bar:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
        if size is not None and file.tell() != size:
            raise OSError(f"broke off after {file.tell()} of {size} bytes")
    expected = HASH_IN_NAME.search(part.name)
    if expected and not digest.hexdigest().startswith(expected[1]):
        raise OSError(f"its SHA-256 is {digest.hexdigest()}, not {expected[1]}...")
