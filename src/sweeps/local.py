"""Jobs on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from src.cores import automatic_threads
from src.sweeps import locks, processes
from src.sweeps.job import Job


@dataclass
class ThisMachine:
    """Starts each job as a process of its own here, with the GPUs that it is lent."""

    preload: bool
    parallel: int
    study: Mapping[str, Any] | None = None
    """Where a search keeps its trials, for jobs that report to it."""
    _loaded: bool = False

    def find(self, job: Job) -> processes.Running | None:
        """Return a job that still runs since an earlier start of the sweep."""
        return processes.Adopted(job.lock) if job.lock.exists() and locks.is_held(job.lock) else None

    def prepare(self, job: Job) -> None:
        """Import what jobs need, where they are to be copies."""
        if self.preload and not self._loaded:
            self.preload = processes.preload(job.config)
            self._loaded = True

    def start(self, job: Job, lent: list[str], private: tuple[int, ...]) -> processes.Running | None:
        """Start a job; None where another process holds it."""
        job.path.mkdir(parents=True, exist_ok=True)
        lock = locks.hold(job.lock)
        if lock is None:
            return None
        try:
            job.begin(self.study, lent)
            environment = {"CUDA_VISIBLE_DEVICES": ",".join(lent)} if lent else {}
            arguments = job.arguments(threads_of(job.config["trainer"], self.parallel))
            started = processes.start(arguments, job.log, lock, environment, copy=self.preload, private=private)
            locks.leave_word(lock, str(started.pid))  # for a sweep that finds the job running
            return started
        finally:
            os.close(lock)


def threads_of(trainer: Mapping[str, Any], parallel: int) -> int:
    """Return the CPU threads of each process of a job: see `automatic_threads`."""
    devices = trainer.get("devices")
    ranks = devices if trainer.get("accelerator") == "cpu" and isinstance(devices, int) and devices > 0 else 1
    return automatic_threads(parallel * ranks)[0]
