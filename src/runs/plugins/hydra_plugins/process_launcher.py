"""Hydra's launcher for `-m`: every job of a sweep is a process of its own.

Lives under the package name `hydra_plugins`, where Hydra looks for plugins. No `from __future__ import annotations`
here: Hydra 1.3 scans the dataclass below without its module.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class ProcessLauncherConf:
    _target_: str = "hydra_plugins.process_launcher.ProcessLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="process", node=ProcessLauncherConf, provider="convpipe")


class ProcessLauncher(Launcher):
    """Composes and checks all jobs before the first starts, then runs each as `python -m src.train ... run_dir=...`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what `launch` needs."""
        self.hydra_context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs one after another; returns one JobReturn per job with its exit status."""
        from src.runs.jobs import checked, run_jobs

        jobs = checked(self.config, job_overrides)
        return [self._result(job, code) for job, code in zip(jobs, run_jobs(jobs), strict=True)]

    def _result(self, job: Any, code: int) -> JobReturn:
        status = JobStatus.COMPLETED if code == 0 else JobStatus.FAILED
        value: BaseException | None = None if code == 0 else RuntimeError(f"exit code {code}")
        return JobReturn(overrides=list(job.overrides), cfg=job.composed.config, status=status, _return_value=value)
