"""Carrying out a sweep: which job runs when and where, until all have ended or somebody stops it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Protocol

from src.errors import UserError
from src.runs.record import read_record
from src.sweeps import locks
from src.sweeps.devices import Gpus
from src.sweeps.job import Job, State
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
        """Take note of a job that has come to rest, or was at rest already.

        Raises UserError where what it reached is of no use, though it finished.
        """

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

    def prepare(self, job: Job) -> None:
        """Do what takes long before the first job is started, once."""

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
    left: dict[Path, list[str]] = field(default_factory=dict)
    """Locks of jobs that an earlier start of the sweep left running, and the GPUs that nobody is lent until they end.

    Not all of them have to be among those of this start, which may have been typed with other values.
    """
    seen: dict[str, Job] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    _slots: list[_Slot] = field(default_factory=list)
    _waiting: list[Job] = field(default_factory=list)
    _continued: set[str] = field(default_factory=set)
    _stop: int | None = None
    _told: bool = False

    def __post_init__(self) -> None:
        """Reserve the GPUs of jobs that still run."""
        self.gpus.reserve([gpu for lent in self.left.values() for gpu in lent])

    def run(self) -> int | None:
        """Run until nothing is left; returns the signal that stopped it before, if one did.

        An error of the sweep itself, such as a full disk, is raised when the jobs have saved and ended.
        """
        with self._listening():
            try:
                return self._run()
            except BaseException:
                self._wind_down()
                raise

    def _run(self) -> int | None:
        beat = time.monotonic()
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

    def _wind_down(self) -> None:
        """Have all jobs save and end, and wait for them, where the sweep cannot go on."""
        self._stop = self._stop or signal.SIGTERM
        self._slots = [slot for slot in self._slots if not slot.running.detached]
        for slot in list(self._slots):
            self._tell(slot, self._stop)
        while self._slots:
            with contextlib.suppress(Exception):  # the first error is told, and may come again for each job
                self._reap()
            time.sleep(WAIT)

    def _fill(self) -> None:
        """Start what there is room for."""
        while self._stop is None and len(self._slots) < self.parallel:
            job = self._waiting.pop(0) if self._waiting else self.jobs.next()
            if job is None:
                return
            if not self._begin(job):
                self._waiting.insert(0, job)
                self._tell_of_left()
                return

    def _tell_of_left(self) -> None:
        """Say what is waited for, where nothing that is shown runs."""
        if self.left and not self._slots and not self._told:
            names = ", ".join(lock.parent.name for lock in self.left)
            print(f"Waiting for the GPUs of jobs that an earlier start left running: {names}", file=sys.stderr)
            self._told = True

    def _begin(self, job: Job) -> bool:
        """Start a job, adopt it where it runs, or leave it at rest.

        Returns False where it has to wait: for a GPU, or for another start of the sweep.
        """
        self.seen[job.name] = job
        if (found := self.place.find(job)) is not None:
            self._add(_Slot(job, found, self.left.pop(job.lock, [])))
            self._note(job, "running")
            return True
        state = job.state()
        if state in RESTING and state != self.retry:
            self._rest(job, state)
            return True
        self.states[job.name] = state  # it may have to wait, and the sweep be stopped meanwhile
        self.place.prepare(job)
        if self._stop is not None:
            return False
        lent = self.gpus.lend(self.gpus.wanted(job.config["trainer"]))
        if lent is None:
            return False
        if state == "stale":
            job.put_aside()
        running = self.place.start(job, lent, (self.sweep_lock,))
        if running is None:  # it was free a moment ago: another process has taken it
            self.gpus.take_back(lent)
            self._add(_Slot(job, Adopted(job.lock)))
        else:
            self._add(_Slot(job, running, lent))
        self._note(job, "running")
        return True

    def _add(self, slot: _Slot) -> None:
        """Wait for a job from now on. A signal that came while it was started has not reached it."""
        self._slots.append(slot)
        if self._stop is not None:
            self._tell(slot, self._stop)

    def _reap(self) -> None:
        for lock in [lock for lock in self.left if not (lock.exists() and locks.is_held(lock))]:
            self.gpus.take_back(self.left.pop(lock))
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
            self._rest(slot.job, state)

    def _rest(self, job: Job, state: State) -> None:
        """Note how a job ended; one that the search cannot use has failed, though it finished."""
        self.states[job.name] = state
        try:
            self.jobs.ended(job, state)
        except UserError as error:
            job.reject(str(error))
            state = "failed"
        self._note(job, state)

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
            self._tell(slot, signum)

    def _tell(self, slot: _Slot, signum: int) -> None:
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
