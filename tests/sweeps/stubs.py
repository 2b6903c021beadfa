"""Jobs that end at once, or when told, without a process of their own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field

from src.sweeps import locks
from src.sweeps.job import Job
from src.sweeps.processes import Adopted

CONFIG = {
    "model": {"monitor": "val/accuracy", "monitor_mode": "max"},
    "trainer": {"accelerator": "cpu", "devices": 1, "max_epochs": 1},
    "threads": 1,
    "seed": 0,
}


def job(folder, **config) -> Job:
    """A job whose overrides are its values."""
    values = {key: str(value) for key, value in config.items()}
    return Job(folder, tuple(f"{key}={value}" for key, value in values.items()), values, CONFIG)


def write_run(job: Job, status: str, **figures: float) -> None:
    """Leave what a training leaves that ended so."""
    job.path.mkdir(parents=True, exist_ok=True)
    (job.path / "compose.yaml").write_text("")
    (job.path / "record.json").write_text(json.dumps({"status": status, "reason": None}))
    if status == "finished":
        (job.path / "metrics.json").write_text(json.dumps(figures or {"val/accuracy": 0.5}))


@dataclass
class Started:
    lock: int
    code: int | None
    detached = False
    told: list[int] = field(default_factory=list)
    deaf: bool = False
    """Whether a first signal does not end it."""

    def poll(self):
        if self.code is not None and self.lock >= 0:
            os.close(self.lock)
            self.lock = -1
        return self.code

    def send_signal(self, signum):
        self.told.append(signum)
        if not self.deaf or len(self.told) > 1:
            self.code = 128 + signum


@dataclass
class StubPlace:
    """Writes what `outcome` says of a job: its status, and its figures where it has any.

    None is killed at once; `running` runs until it is told to end, `deaf` until it is told twice.
    """

    outcome: object
    starts: list[str] = field(default_factory=list)
    lent: list[list[str]] = field(default_factory=list)
    started: list[Started] = field(default_factory=list)

    def find(self, job):
        return Adopted(job.lock) if job.lock.exists() and locks.is_held(job.lock) else None

    def prepare(self, job):
        pass

    def start(self, job, lent, private):
        job.path.mkdir(parents=True, exist_ok=True)
        lock = locks.hold(job.lock)
        assert lock is not None, "started twice"
        self.starts.append(job.name)
        self.lent.append(lent)
        job.begin(None)
        status, figures = self.outcome(job)
        if status is not None:
            write_run(job, "running" if status == "deaf" else status, **figures)
        codes = {"finished": 0, "pruned": 0, "failed": 1, "interrupted": 143, None: -9, "running": None, "deaf": None}
        self.started.append(Started(lock, codes[status], deaf=status == "deaf"))
        return self.started[-1]


class Silent:
    def show(self, jobs, states):
        pass

    def changed(self, job, state):
        pass
