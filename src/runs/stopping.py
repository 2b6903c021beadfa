"""What a signal means outside of training, where there is nothing to save: the run ends at once, and says so."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from src.callbacks.checkpoint import Interrupted, stopping_signals


@contextlib.contextmanager
def ending_at_signals() -> Iterator[None]:
    """Raise Interrupted wherever the program is when one of the signals comes, such as reading data or testing.

    In training `LastCheckpoint` answers in its place. Processes that were forked from this one end as they would have.
    """
    process = os.getpid()

    def end(signum: int, frame: FrameType | None) -> None:
        if os.getpid() == process:
            raise Interrupted(signum)
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)

    before = {signum: signal.signal(signum, end) for signum in stopping_signals()}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
