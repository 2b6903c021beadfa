"""What SLURM's queue says of this user's jobs, asked for all of them at once and seldom."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass, field

from src.errors import UserError

SOON, LATE = 1.0, 30.0
"""Seconds between two questions: twice as many after each answer that says nothing new, for a scheduler has others."""
PATIENCE = 120.0
"""Seconds that the scheduler may be silent, as when it is started again, before a job is believed to have left."""


@dataclass(frozen=True)
class Queued:
    """A job that the queue holds."""

    id: str
    state: str
    """As squeue spells it: PENDING, RUNNING, COMPLETING, ..."""


@dataclass
class SlurmQueue:
    """This user's jobs by name. Accounting (sacct) is not needed: many clusters have none, and it lags behind."""

    _listed: dict[str, Queued] = field(default_factory=dict)
    _asked: float = -LATE
    _wait: float = SOON

    def of(self, name: str) -> Queued | None:
        """Return the job of a name, as of a while ago; None where the queue had none then.

        Raises UserError where nothing is known yet and the scheduler does not answer, or is silent for minutes.
        """
        now = time.monotonic()
        if now - self._asked >= self._wait:
            self._refresh(now)
        return self._listed.get(name)

    def submitted(self, name: str, number: str) -> None:
        """Take note of a job that was submitted just now."""
        self._listed[name] = Queued(number, "PENDING")
        self._wait = SOON

    def _refresh(self, now: float) -> None:
        typed = ["squeue", "--me", "--noheader", "--format=%A|%T|%j"]
        try:
            done = subprocess.run(typed, capture_output=True, text=True, check=True, timeout=PATIENCE)
        except FileNotFoundError as error:
            raise UserError("hydra/launcher=submitit_slurm: there is no squeue here; start the sweep on a node") from error
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            if self._asked < 0 or now - self._asked > self._wait + PATIENCE:
                said = str(getattr(error, "stderr", "") or error).strip()
                raise UserError(f"SLURM does not answer squeue: {said}. Jobs go on; the same command takes them up") from error
            return
        listed = {}
        for line in done.stdout.splitlines():
            number, state, name = line.split("|", 2)
            listed[name] = Queued(number, state)
        self._wait = SOON if listed != self._listed else min(LATE, 2 * self._wait)
        self._listed, self._asked = listed, now


def ending(number: str) -> str:
    """Return how a job that has left the queue ended, such as `CANCELLED`, `TIMEOUT` or `NODE_FAIL`, if SLURM knows."""
    done = subprocess.run(
        ["scontrol", "--oneliner", "show", "job", number], capture_output=True, text=True, check=False
    )
    found = re.search(r"JobState=(\w+)", done.stdout)
    return found[1] if found else "unknown: SLURM has forgotten it"
