"""What SLURM's queue says of this user's jobs, asked for all of them at once and seldom."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field

from src.errors import UserError

SOON, LATE = 1.0, 10.0
"""Seconds between two questions: twice as many after each answer that says nothing new, for a scheduler has others."""
PATIENCE = 120.0
"""Seconds that the scheduler may be silent, as when it is started again, before a job is believed to have left."""


OVER = frozenset(
    {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"}
)
"""States, as squeue spells them, of a job that has ended and that SLURM remembers for some minutes.

All others, such as COMPLETING or REQUEUED, may be followed by PENDING.
"""


@dataclass(frozen=True)
class Queued:
    """A job that SLURM knows."""

    id: int
    state: str

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and is not queued again."""
        return self.state in OVER


@dataclass
class SlurmQueue:
    """The jobs of this user by name. Accounting (sacct) is not needed: many clusters have none, and it lags behind."""

    _listed: dict[str, Queued] = field(default_factory=dict)
    _asked: float = -LATE
    _wait: float = SOON

    def of(self, name: str) -> Queued | None:
        """Return the newest job of a name, as of a while ago; None where SLURM knew none then.

        Raises UserError where nothing is known yet and the scheduler does not answer, or is silent for minutes.
        """
        now = time.monotonic()
        if now - self._asked >= self._wait:
            self._refresh(now)
        return self._listed.get(name)

    def submitted(self, name: str, number: int) -> None:
        """Take note of a job that was submitted just now."""
        self._listed[name] = Queued(number, "PENDING")
        self._wait = SOON

    def _refresh(self, now: float) -> None:
        typed = ["squeue", "--me", "--noheader", "--states=all", "--format=%A|%T|%j"]
        try:
            done = subprocess.run(typed, capture_output=True, text=True, check=True, timeout=PATIENCE)
        except FileNotFoundError as error:
            raise UserError(
                "hydra/launcher=submitit_slurm: there is no squeue here; start the sweep on a node"
            ) from error
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            if self._asked < 0 or now - self._asked > self._wait + PATIENCE:
                said = str(getattr(error, "stderr", "") or error).strip()
                raise UserError(
                    f"SLURM does not answer squeue: {said}. Jobs go on; the same command takes them up"
                ) from error
            return
        listed: dict[str, Queued] = {}
        for line in done.stdout.splitlines():
            number, state, name = line.split("|", 2)
            if name not in listed or listed[name].id < int(number):
                listed[name] = Queued(int(number), state)
        self._wait = SOON if listed != self._listed else min(LATE, 2 * self._wait)
        self._listed, self._asked = listed, now
