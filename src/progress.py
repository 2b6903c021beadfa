"""What a person sees of what takes long: a bar on a terminal, a line now and then elsewhere; of short work, nothing."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import Any, Self, TypeVar

from tqdm import tqdm

log = logging.getLogger(__name__)

Item = TypeVar("Item")

FIRST = 5.0
"""Seconds after which the first line is told, even where the first step has not ended by then."""
EVERY = 30.0
"""Seconds between two lines after that."""


def progress(
    items: Iterable[Item], what: str, total: int | None = None, *, unit: str = "", first: float = FIRST
) -> Iterator[Item]:
    """Yield the items, and show how many of `total` are done (by default, as many as `items` has).

    `what` begins the line, such as "Testing"; `unit` names what is counted, in the plural ("batches").
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Advance(what, total, unit=unit, first=first) as advance:
        for item in items:
            yield item
            advance.update()


class Advance:
    """The same for work that is no loop over items: `update()` counts what is done, on the way out all is told.

    Where nothing of level INFO is logged, as in all processes but the first, nothing is shown. A line is told `first`
    seconds after the start and then every `EVERY`, also into a run's log, and at the end where there was one before.
    `done` of `total` were done earlier.
    """

    def __init__(
        self, what: str, total: int | None = None, *, unit: str = "", done: int = 0, first: float = FIRST
    ) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, done
        self._earlier, self._began, self._told = done, time.monotonic(), False
        self._figures = ""
        self._bar: tqdm[Any] | None = None
        self._timer: threading.Timer | None = None
        self._next = float("inf")
        if not log.isEnabledFor(logging.INFO):
            return
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=total, initial=done, desc=what, unit=f" {unit}" if unit else "", leave=False, mininterval=0.2
            )
            return
        self._next = self._began + first + EVERY
        self._timer = threading.Timer(first, self._tell)
        self._timer.daemon = True
        self._timer.start()

    def update(self, number: int = 1, figures: str | None = None) -> None:
        """Count `number` more as done; `figures`, such as a loss, stand at the end of the line from now on."""
        self.done += number
        if figures is not None:
            self._figures = figures
        if self._bar is not None:
            if figures is not None:
                self._bar.set_postfix_str(figures, refresh=False)
            self._bar.update(number)
        elif (now := time.monotonic()) >= self._next:
            self._next = now + EVERY
            self._tell()

    def close(self) -> None:
        """Take the bar away, and say at last what was done where something was said before."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        elif self._told:
            self._told = False
            log.info("%s: %s in %s", self.what, self._counted(), clock(time.monotonic() - self._began))

    def leave(self) -> None:
        """Take the bar away and say nothing: the end was not reached, or is told otherwise."""
        self._told = False
        self.close()

    def _tell(self) -> None:
        self._told = True
        parts = [f"{self.what}: {self._counted()}", f"{left} left" if (left := self._left()) else "", self._figures]
        log.info("%s", ", ".join(part for part in parts if part))

    def _counted(self) -> str:
        of = "" if self.total is None else f" of {self.total:,}"
        return f"{self.done:,}{of}{f' {self.unit}' if self.unit else ''}"

    def _left(self) -> str:
        fresh = self.done - self._earlier
        if not fresh or self.total is None:
            return ""
        return clock((time.monotonic() - self._began) / fresh * max(0, self.total - self.done))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave() if error is not None else self.close()


def clock(seconds: float) -> str:
    """Return seconds as people write them: 0:07, 12:30, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
