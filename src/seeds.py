"""One seed, and streams derived from it by name, so that no use of randomness can shift another.

A stream's numbers are a function of (seed, names) alone: `stream(seed, "shuffle", epoch)` is the same whichever process
asks, and however many numbers other streams have drawn.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *names: str | int) -> int:
    """Return the 63-bit seed of the stream called `names`, derived from `seed` by BLAKE2b."""
    text = "/".join(str(name) for name in (seed, *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return numpy's generator (PCG64) at the start of the stream called `names`."""
    return np.random.Generator(np.random.PCG64(stream(seed, *names)))
