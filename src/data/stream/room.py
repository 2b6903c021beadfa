"""Whether a shuffled epoch can be read with the copies of chunks that are kept, or would fetch them over and over."""

from __future__ import annotations

from src.data.sampler import WindowBatches
from src.data.sources.base import Indices
from src.data.stream.source import Streamed
from src.errors import UserError

_GIB = 2**30
_WINDOWS = 2
"""Loader processes read the beginning of a window while the one before is being trained on."""


def require_room(source: Streamed, train: Indices, window: int | None) -> None:
    """Raise UserError where the chunks that are needed at one time are more than `data.stream_cache` keeps.

    A window's blocks begin and end within chunks, so each needs one chunk more than its length.
    """
    chunks = source.chunks
    whole, bound = source.remote_bytes(train), chunks.cache.bound
    size, samples = max(chunks.sizes), int(chunks.starts[1])
    spread = _WINDOWS * WindowBatches.BLOCKS  # blocks in use
    if window is not None and spread * size * (window / WindowBatches.BLOCKS / samples + 1) <= bound:
        return
    if whole <= bound:
        return
    fits = int((bound / spread / size - 1) * WindowBatches.BLOCKS * samples)
    narrower = f"data.shuffle_window={fits} (see the README), or " if fits >= WindowBatches.BLOCKS else ""
    raise UserError(
        f"data.shuffle_window={'null' if window is None else window} needs more of the {whole / _GIB:.3g} GiB of "
        f"training chunks at one time than data.stream_cache={bound / _GIB:.3g} keeps, and would fetch them over and "
        f"over; type {narrower}data.stream_cache={whole / _GIB * 1.01:.3g}"
    )
