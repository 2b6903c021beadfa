"""Jobs on a cluster, or in submitit's local stand-in for one: `hydra/launcher=submitit_slurm` or `submitit_local`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.errors import UserError
from src.files import write_json
from src.sweeps import locks
from src.sweeps.devices import Gpus
from src.sweeps.job import Job
from src.sweeps.processes import Running

_LAUNCHERS = {"SlurmLauncher": "slurm", "LocalLauncher": "local"}
_COMMON = ("timeout_min", "cpus_per_task", "gpus_per_node", "tasks_per_node", "mem_gb", "nodes", "stderr_to_stdout")
_NOT_PASSED_ON = ("_target_", "submitit_folder", "name", "max_num_timeout")


def cluster_of(launcher: Mapping[str, Any]) -> str | None:
    """Return `slurm` or `local` for submitit's launchers, None where jobs run on this machine.

    Raises UserError for other launchers, which would run jobs inside the sweep's own process.
    """
    name = str(launcher.get("_target_", "")).rpartition(".")[2]
    if name in ("", "BasicLauncher"):
        return None
    if name not in _LAUNCHERS:
        raise UserError(
            f"hydra/launcher: a {name} is not one of submitit_slurm, submitit_local; leave it away for here"
        )
    return _LAUNCHERS[name]


class Elsewhere(Gpus):
    """The GPUs of a cluster: its scheduler hands them out."""

    def __init__(self) -> None:
        super().__init__([])

    def wanted(self, trainer: Mapping[str, Any]) -> int:
        """Return 0: nothing is lent here."""
        return 0


@dataclass
class Cluster:
    """Submits each job to a scheduler; the job's process there is `python -m src.train ...`, as anywhere."""

    kind: str
    launcher: Mapping[str, Any]
    study: Mapping[str, Any] | None = None

    def start(self, job: Job, lent: list[str], private: tuple[int, ...]) -> Running | None:
        """Submit a job, or take up one that an earlier start of the sweep submitted and that still waits or runs."""
        import submitit

        job.path.mkdir(parents=True, exist_ok=True)
        if locks.is_held(job.lock):
            return None
        folder = job.folder / ".submitit"
        waiting = self._submitted(job)
        if waiting is not None:
            return Submitted(submitit.SlurmJob(folder=folder, job_id=waiting), self.kind)
        executor = submitit.AutoExecutor(folder=folder, cluster=self.kind)
        executor.update_parameters(name=job.name[:60], **self._parameters())
        submitted = executor.submit(Carried(job, self.study))
        write_json(job.path / "submitted.json", {"cluster": self.kind, "id": submitted.job_id})
        return Submitted(submitted, self.kind)

    def _parameters(self) -> dict[str, Any]:
        given = {key: value for key, value in self.launcher.items() if key not in _NOT_PASSED_ON}
        given.pop("array_parallelism", None)  # of arrays; here the sweep itself counts
        return {key if key in _COMMON else f"{self.kind}_{key}": value for key, value in given.items()}

    def _submitted(self, job: Job) -> str | None:
        """Return the scheduler's number of a job that it has not forgotten."""
        try:
            known = json.loads((job.path / "submitted.json").read_text())
            done = subprocess.run(
                ["squeue", "--noheader", "--jobs", known["id"], "--format", "%T"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        except (OSError, ValueError):
            return None
        return (
            str(known["id"]) if known["cluster"] == "slurm" and done.returncode == 0 and done.stdout.strip() else None
        )


@dataclass
class Submitted:
    """A job that a scheduler has. On SLURM it goes on when the sweep is stopped, and is taken up again."""

    job: Any
    kind: str

    @property
    def detached(self) -> bool:
        """Whether it needs nobody to wait for it."""
        return self.kind == "slurm"

    def poll(self) -> int | None:
        """Return its exit code; None while it waits or runs."""
        if not self.job.done():
            return None
        try:
            return int(self.job.result())
        except Exception:  # submitit's own kinds: the job was cancelled, or its node failed
            return 1

    def send_signal(self, signum: int) -> None:
        """Pass a signal on, where that is how the job is stopped."""
        if not self.detached:
            with contextlib.suppress(OSError):
                os.kill(int(self.job.job_id), signal.SIGTERM)


@dataclass
class Carried:
    """What runs on the cluster: it holds the job's lock and waits for the job's process.

    When the scheduler takes the node back or its time ends, submitit calls `checkpoint`: the job saves, and is queued
    again to go on.
    """

    job: Job
    study: Mapping[str, Any] | None
    _process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        """Run the job to its end and return its exit code."""
        job = Job(**{**self.job.__dict__, "known": {}})  # as it stands by now
        lock = locks.hold(job.lock)
        if lock is None:
            return 0
        job.begin(self.study)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
        with job.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "src.train", *job.arguments(None)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, pass_fds=(lock,),
                cwd=Path(__file__).resolve().parents[2],
            )  # fmt: skip
        handler = signal.signal(signal.SIGTERM, lambda signum, _: self._tell(signum))
        try:
            code = self._process.wait()
        finally:
            signal.signal(signal.SIGTERM, handler)
            os.close(lock)
        return code

    def _tell(self, signum: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signum)

    def checkpoint(self) -> Any:
        """Have the job save, and be submitted again."""
        import submitit

        self._tell(signal.SIGUSR1)
        if self._process is not None:
            self._process.wait()
        return submitit.helpers.DelayedSubmission(Carried(self.job, self.study))
