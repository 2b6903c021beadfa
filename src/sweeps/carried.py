"""What a scheduler runs of a sweep: a process that holds a job's lock and waits for the job's own process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.runs.record import read_record
from src.sweeps import locks
from src.sweeps.job import Job
from src.sweeps.processes import FOR_ONE_PROCESS


@dataclass
class Carried:
    """The job's process is `python -m src.train ...`, as anywhere, without what the scheduler says of tasks.

    When the scheduler takes the node back or its time ends, submitit calls `checkpoint`: the job saves, and is queued
    again to go on. The scheduler's signals reach the job's process too.
    """

    job: Job
    study: Mapping[str, Any] | None
    _process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        """Run the job to its end, write down its exit code, and return it."""
        job = Job(**{**self.job.__dict__, "known": {}})  # as it stands by now
        lock = locks.hold(job.lock)
        if lock is None:
            return 0
        if job.has_run and read_record(job.path).get("status") in ("finished", "pruned"):
            os.close(lock)  # queued again as it ended
            return 0
        number = os.environ.get("SLURM_JOB_ID")
        job.begin(self.study, slurm_job=int(number) if number else None)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(FOR_ONE_PROCESS)}
        with job.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "src.train", *job.arguments(None)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, pass_fds=(lock,),
                cwd=Path(__file__).resolve().parents[2], preexec_fn=_leave_to_submitit,
            )  # fmt: skip
        locks.leave_word(lock, str(self._process.pid))
        handler = signal.signal(signal.SIGTERM, lambda signum, _: self._tell(signum))
        try:
            self._wait()
        finally:
            signal.signal(signal.SIGTERM, handler)
            code = self._process.poll()
            job.end(code)
            os.close(lock)
        return 1 if code is None else code

    def checkpoint(self) -> Any:
        """Have the job save, and be submitted again."""
        import submitit

        self._tell(signal.SIGUSR1)
        self._wait()
        return submitit.helpers.DelayedSubmission(Carried(self.job, self.study))

    def _tell(self, signum: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signum)

    def _wait(self) -> None:
        """Wait for the process to end without taking its exit code: `checkpoint` interrupts a wait by another one.

        Popen.wait holds a lock meanwhile, for which the second would wait forever.
        """
        if self._process is not None and self._process.returncode is None:
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)


def _leave_to_submitit() -> None:
    """Have the job's process ignore the signal that asks submitit for a checkpoint: SLURM sends it to all processes."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
