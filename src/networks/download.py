"""Files of weights from the web, fetched once into torch's own folder of checkpoints."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import torch

from src.download import Remote, fetch
from src.errors import UserError

HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.\w+$")
"""The convention of torch.hub: `resnet18-f37072fd.pth` begins with that SHA-256."""


def downloaded(url: str) -> Path:
    """Return the local copy of `url`, fetching it where there is none.

    torch.hub's own download waits for ever on a silent server. Raises UserError with the place to put the file by hand.
    """
    target = local_copy(url)
    digits = HASH_IN_NAME.search(target.name)
    try:
        fetch(Remote((url,), f"sha256:{digits[1]}" if digits else ""), target)
    except UserError as error:
        raise UserError(f"network.weights: {error}\nOr name a file that is here: network.weights=FILE") from error
    return target


def local_copy(url: str) -> Path:
    """Return where `url` is kept: as torch.hub does, but names without a hash stand in a folder of their URL's own."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    name = url.partition("?")[0].rstrip("/").rpartition("/")[2]
    if HASH_IN_NAME.search(name):
        return folder / name
    return folder / f"url-{hashlib.sha256(url.encode()).hexdigest()[:12]}" / name
