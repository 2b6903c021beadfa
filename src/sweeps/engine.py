"""Carrying out a sweep: which job runs when and where, until all have ended or somebody stops it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Literal, Protocol

from src.errors import UserError
from src.runs.record import read_record
from src.sweeps import locks
from src.sweeps.devices import Gpus
from src.sweeps.job import Job, State, gpus_of
from src.sweeps.processes import Adopted, Running

WAIT = 0.1
"""Seconds between two looks at the running jobs."""
BEAT = 30
"""Seconds between two signs of life for other machines."""

RESTING: tuple[State, ...] = ("finished", "pruned", "failed", "stale")
"""States in which a job is left alone unless `sweep.retry` names it."""


class Jobs(Protocol):
    """Where the jobs of a sweep come from: a list of points, or a search that decides as it learns."""

    def next(self) -> Job | None:
        """Return the next job; None where there is none now, until another has ended, or at all."""

    def ended(self, job: Job, state: State) -> None:
        """Take note of a job that has come to rest, or was at rest already."""

    def alive(self, jobs: Sequence[Job]) -> None:
        """Take note of the jobs that run, or wait for a GPU; called every `BEAT` seconds."""

    @property
    def total(self) -> int:
        """How many there will be."""

    @property
    def waits(self) -> bool:
        """Whether there may be another job later, though none is left now and none runs here."""


class Place(Protocol):
    """Where jobs are started: this machine, or a cluster."""

    def find(self, job: Job) -> Running | None:
        """Return a job that an earlier start of the sweep left behind and that still waits or runs."""

    def start(self, job: Job, lent: list[str], private: tuple[int, ...]) -> Running | None:
        """Start a job; None where another process holds it."""


class Watcher(Protocol):
    """What tells people how a sweep stands."""

    def show(self, jobs: dict[str, Job], states: dict[str, State]) -> None:
        """Show all jobs so far; called often."""

    def changed(self, job: Job, state: State) -> None:
        """A job came into another state."""


@dataclass
class _Slot:
    job: Job
    running: Running
    lent: list[str] = field(default_factory=list)


@dataclass
class Engine:
    """Runs jobs, `parallel` at a time, each at most once at any moment."""

    jobs: Jobs
    place: Place
    watcher: Watcher
    parallel: int
    retry: Literal["failed", "stale"] | None
    gpus: Gpus
    sweep_lock: int
    seen: dict[str, Job] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    _slots: list[_Slot] = field(default_factory=list)
    _waiting: list[Job] = field(default_factory=list)
    _continued: set[str] = field(default_factory=set)
    _stop: int | None = None

    def run(self) -> int | None:
        """Run until nothing is left; returns the signal that stopped it before, if one did."""
        beat = time.monotonic()
        with self._listening():
            while True:
                self._reap()
                if self._stop is None:
                    self._fill()
                else:  # what a cluster runs goes on without us
                    self._slots = [slot for slot in self._slots if not slot.running.detached]
                if not self._slots and (self._stop is not None or not (self._waiting or self.jobs.waits)):
                    return self._stop
                self.watcher.show(self.seen, self.states)
                if time.monotonic() - beat > BEAT:
                    beat = time.monotonic()
                    self.jobs.alive([*(slot.job for slot in self._slots), *self._waiting])
                time.sleep(WAIT if self._slots else 10 * WAIT)  # of others' trials nothing is heard so often

    def _fill(self) -> None:
        """Start what there is room for."""
        while len(self._slots) < self.parallel:
            job = self._waiting.pop(0) if self._waiting else self.jobs.next()
            if job is None:
                return
            if not self._begin(job):
                self._waiting.insert(0, job)
                return

    def _begin(self, job: Job) -> bool:
        """Start a job, adopt it where it runs, or leave it at rest; returns False where it has to wait for a GPU."""
        self.seen[job.name] = job
        if (left := self.place.find(job)) is not None:
            self._slots.append(_Slot(job, left, gpus_of(job.known)))
            self._note(job, "running")
            return True
        state = job.state()
        if state in RESTING and state != self.retry:
            self._note(job, state)
            self.jobs.ended(job, state)
            return True
        lent = self.gpus.lend(self.gpus.wanted(job.config["trainer"]))
        if lent is None:
            return False
        if state == "stale":
            job.put_aside()
        running = self.place.start(job, lent, (self.sweep_lock,))
        if running is None:  # it was free a moment ago: another process has taken it
            self.gpus.take_back(lent)
            self._slots.append(_Slot(job, Adopted(job.lock), gpus_of(job.known)))
        else:
            self._slots.append(_Slot(job, running, lent))
        self._note(job, "running")
        return True

    def _reap(self) -> None:
        for slot in list(self._slots):
            code = slot.running.poll()
            if code is None or (slot.job.lock.exists() and locks.is_held(slot.job.lock)):  # its ranks end after it
                continue
            self._slots.remove(slot)
            self.gpus.take_back(slot.lent)
            adopted = isinstance(slot.running, Adopted)
            cut_off = bool(code) and read_record(slot.job.path).get("status") in (None, "running")
            if cut_off and self._stop is not None:  # before it could save: it had only begun
                code = 128 + self._stop
            slot.job.end(None if adopted else code)
            if cut_off and code < 128 and not adopted and self._stop is None:
                state: State = "interrupted" if self._goes_on(slot.job, code) else "failed"
            else:
                state = slot.job.state()
            self._note(slot.job, state)
            self.jobs.ended(slot.job, state)

    def _goes_on(self, job: Job, code: int) -> bool:
        """Queue a job that was killed, by whoever it was, to be continued; once, for it may be its own doing."""
        if code >= 0 or job.name in self._continued:
            return False
        self._continued.add(job.name)
        self._waiting.append(job)
        return True

    def _note(self, job: Job, state: State) -> None:
        self.states[job.name] = state
        self.watcher.changed(job, state)

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Stop with the jobs: a first signal lets them save, a second reaches them too. `nohup` stays in force."""
        handlers: dict[int, Any] = {}
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signum != signal.SIGHUP or signal.getsignal(signum) is not signal.SIG_IGN:
                handlers[signum] = signal.signal(signum, self._on_signal)
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        """Tell the jobs, also those that a terminal has told: they take two within seconds for one."""
        if signum == signal.SIGHUP:
            _leave_terminal()
        if self._stop is None:
            print("Stopping: the jobs save and end; the same command continues.", file=sys.stderr)
        self._stop = signum
        for slot in self._slots:
            slot.running.send_signal(signal.SIGTERM if signum == signal.SIGHUP else signum)


def _leave_terminal() -> None:
    """Print nowhere from now on, where the terminal that was printed on has been closed."""
    for stream in (sys.stdout, sys.stderr):
        if stream.isatty():
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def require_enough(gpus: Gpus, jobs: Sequence[Job]) -> None:
    """Raise UserError where a job needs more GPUs than there are, before any has started."""
    for job in jobs:
        try:
            gpus.wanted(job.config["trainer"])
        except UserError as error:
            raise UserError(f"{job.name}: {error}") from error
