"""Jobs on a cluster, or in submitit's local stand-in for one: `hydra/launcher=submitit_slurm` or `submitit_local`."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from src.errors import UserError
from src.sweeps import locks
from src.sweeps.carried import Carried
from src.sweeps.devices import Gpus
from src.sweeps.job import Job, read_job, short_digest
from src.sweeps.processes import Adopted, Running
from src.sweeps.slurm_queue import SlurmQueue

_LAUNCHERS = {"SlurmLauncher": "slurm", "LocalLauncher": "local"}
_COMMON = ("timeout_min", "cpus_per_task", "gpus_per_node", "tasks_per_node", "mem_gb", "nodes", "stderr_to_stdout")
_NOT_PASSED_ON = ("_target_", "submitit_folder", "name", "max_num_timeout", "array_parallelism")
"""Ours to say, or told otherwise. Jobs are submitted one by one: the sweep counts up to `array_parallelism` itself."""
VISIBLE = 5.0
"""Seconds until a shared file system shows everywhere what a job wrote before it left the queue."""


def cluster_of(launcher: Mapping[str, Any]) -> str | None:
    """Return `slurm` or `local` for submitit's launchers, None where jobs run on this machine.

    Raises UserError for other launchers, which would run jobs inside the sweep's own process.
    """
    name = str(launcher.get("_target_", "")).rpartition(".")[2]
    if name in ("", "BasicLauncher"):
        return None
    if name not in _LAUNCHERS:
        raise UserError(f"hydra/launcher: a {name} is not one of submitit_slurm, submitit_local; leave it out for here")
    return _LAUNCHERS[name]


def require_one_task(launcher: Mapping[str, Any], jobs: Sequence[Job]) -> None:
    """Raise UserError where a job should be several tasks: it is one, which starts its further processes itself."""
    for key in ("nodes", "tasks_per_node"):
        if (launcher.get(key) or 1) > 1:
            raise UserError(
                f"hydra.launcher.{key}={launcher[key]}: a sweep's job is one task on one node, which starts a process "
                "for each of trainer.devices itself; type hydra.launcher.gpus_per_node or cpus_per_task"
            )
    for job in jobs:
        if (nodes := job.config["trainer"].get("num_nodes", 1)) > 1:
            raise UserError(f"trainer.num_nodes={nodes}: a sweep's job runs on one node; type trainer.devices alone")


class Elsewhere(Gpus):
    """The GPUs of a cluster: its scheduler hands them out."""

    def __init__(self) -> None:
        super().__init__([])

    def wanted(self, trainer: Mapping[str, Any]) -> int:
        """Return 0: nothing is lent here."""
        return 0


@dataclass
class Cluster:
    """Submits each job to a scheduler, which runs it as a `Carried`.

    A job's name there stands for its run directory. So a sweep that is started again finds in the queue what it
    submitted, even where it was killed before it could write that down.
    """

    kind: str
    launcher: Mapping[str, Any]
    study: Mapping[str, Any] | None = None
    _queue: SlurmQueue = field(default_factory=SlurmQueue)

    def find(self, job: Job) -> Running | None:
        """Return a job that waits or runs since an earlier start of the sweep.

        Raises UserError where there is no SLURM to ask.
        """
        queued = self._queue.of(queue_name(job)) if self.kind == "slurm" else None
        if queued is not None and not queued.is_over:
            return Submitted(job, queued.id, self._queue, self.study)
        return Adopted(job.lock) if locks.is_held(job.lock) else None

    def prepare(self, job: Job) -> None:
        """Submitting takes no preparation."""

    def start(self, job: Job, lent: list[str], private: tuple[int, ...]) -> Running | None:
        """Submit a job; None where another process holds it. Raises UserError where the scheduler refuses it."""
        import submitit

        job.path.mkdir(parents=True, exist_ok=True)
        if locks.is_held(job.lock):
            return None
        if self.kind == "slurm" and shutil.which("sbatch") is None:
            raise UserError("hydra/launcher=submitit_slurm: there is no sbatch here; type submitit_local to try it")
        repeats = {"slurm_max_num_timeout": self.launcher["max_num_timeout"]} if self.kind == "slurm" else {}
        executor = submitit.AutoExecutor(folder=job.folder / ".submitit", cluster=self.kind, **repeats)
        executor.update_parameters(name=queue_name(job), **self._parameters())
        try:
            submitted = executor.submit(Carried(job, self.study))
        except submitit.core.utils.FailedJobError as error:
            raise UserError(f"{job.name}: sbatch refuses it: {error}") from error
        if self.kind == "local":
            return Local(submitted)
        number = int(submitted.job_id)
        self._queue.submitted(queue_name(job), number)
        return Submitted(job, number, self._queue, self.study)

    def _parameters(self) -> dict[str, Any]:
        given = {key: value for key, value in self.launcher.items() if key not in _NOT_PASSED_ON}
        return {key if key in _COMMON else f"{self.kind}_{key}": value for key, value in given.items()}


def queue_name(job: Job) -> str:
    """Return what a job is called in the queue: its name, and letters for where it is."""
    return f"{job.name[:60]}-{short_digest([str(job.path)])}"


@dataclass
class Submitted:
    """A job in SLURM's queue. It goes on when the sweep is stopped, and is found again."""

    job: Job
    id: int
    queue: SlurmQueue
    study: Mapping[str, Any] | None
    detached: bool = True
    """It needs nobody to wait for it."""
    _left: float | None = None

    def poll(self) -> int | None:
        """Return its exit code, as the job wrote it down; None while it waits, runs, or is queued again.

        Of a job whose processes SLURM has ended it is that of a SIGKILL, with SLURM's word for it as the reason; of one
        that a person has cancelled that of a SIGTERM, since it is not to go on by itself.
        """
        queued = self.queue.of(queue_name(self.job))
        if queued is not None and not queued.is_over:
            self._left = None
            return None
        self._left = self._left or time.monotonic()
        attempts = [one for one in read_job(self.job.path).get("attempts", []) if one.get("slurm_job") == self.id]
        if attempts and attempts[-1]["end"]:
            return int(attempts[-1]["exit_code"])
        if time.monotonic() - self._left < VISIBLE:
            return None
        how = queued.state if queued is not None else "SLURM has forgotten it"
        if how == "COMPLETED":  # it found the job taken, or at its end
            return 0
        code = 128 + signal.SIGTERM if how == "CANCELLED" else -signal.SIGKILL
        if not attempts:
            self.job.begin(self.study, slurm_job=self.id)
        self.job.end(code, f"SLURM job {self.id}: {how}")
        return code

    def send_signal(self, signum: int) -> None:
        """Leave it alone: it is stopped by scancel."""


@dataclass
class Local:
    """A job of submitit's local executor."""

    job: Any
    detached: bool = False

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""
        if not self.job.done():
            return None
        try:
            return int(self.job.result())
        except Exception:  # submitit's own kinds: the job was ended from outside
            return 1

    def send_signal(self, signum: int) -> None:
        """Have it save and end."""
        with contextlib.suppress(OSError):
            os.kill(int(self.job.job_id), signal.SIGTERM)
