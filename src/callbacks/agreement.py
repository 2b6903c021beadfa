"""A request to stop that reaches one process of several at some moment, heard by all of them at the same step."""

from __future__ import annotations

import time
from typing import Any

import torch
from pytorch_lightning import Trainer

EVERY = 1.0
"""Seconds between two rounds."""


class Agreement:
    """Asks around about once a second whether somebody was asked to stop; a process alone need not ask.

    The rounds are counted in batches, alike in all processes: each round also settles when the next one is. They run on
    the CPU, beside a GPU's work, which does not wait for them.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._alone = trainer.world_size == 1
        self._group: Any = None
        if not self._alone and torch.distributed.get_backend() != "gloo":
            self._group = torch.distributed.new_group(
                backend="gloo", timeout=getattr(trainer.strategy, "_timeout", None)
            )
        self.restart()

    def restart(self) -> None:
        """Ask again at the next batch, where batches begin to take another time; in all processes alike."""
        self._left, self._between, self._asked_at = 1, 1, time.monotonic()

    def fewest(self, batches: int) -> int:
        """Return the smallest number of batches that a process has, and begin to ask anew."""
        self.restart()
        return batches if self._alone else self._ask(None, batches)[1]

    def after_batch(self, mine: int | None) -> int | None:
        """Return the signal that somebody was sent, if it is time to ask; `mine` is what this process was sent."""
        if self._alone:
            return mine
        self._left -= 1
        if self._left:
            return None
        now = time.monotonic()
        each = (now - self._asked_at) / self._between
        self._asked_at = now
        # at most twice as many as before: what the first batch took says little of the next ones
        wish = max(1, min(2 * self._between, int(EVERY / max(each, 1e-4))))
        signum, batches = self._ask(mine, wish)
        self._left = self._between = batches
        return signum

    def now(self, mine: int | None) -> int | None:
        """Return the signal that somebody was sent, at a moment that all processes reach together."""
        return mine if self._alone else self._ask(mine, 1)[0]

    def _ask(self, mine: int | None, wish: int) -> tuple[int | None, int]:
        answer = torch.tensor([mine or 0, -wish])
        torch.distributed.all_reduce(answer, torch.distributed.ReduceOp.MAX, group=self._group)
        return int(answer[0]) or None, -int(answer[1])
