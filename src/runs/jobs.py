"""The jobs of a sweep: each is a process of its own in a directory of its own."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from src.errors import UserError


@dataclass(frozen=True)
class Job:
    """What Hydra made of one point of a sweep."""

    overrides: tuple[str, ...]
    config: DictConfig

    @property
    def name(self) -> str:
        """Return a directory name that a person can read and a command line can hold: values, and a hash of all."""
        digest = hashlib.blake2b("\n".join(sorted(self.overrides)).encode(), digest_size=3).hexdigest()
        swept = self.config.hydra.job.override_dirname
        return f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', swept).strip('-')[:80]}-{digest}".lstrip("-")


def sweep_directory(jobs: Sequence[Job]) -> Path:
    """Return `sweep_dir`, or a directory below RUNS_DIR/sweeps named after model, data and what is swept."""
    config = jobs[0].config
    if config.sweep_dir is not None:
        return Path(config.sweep_dir)
    keys = sorted({override.partition("=")[0].lstrip("+") for job in jobs for override in job.overrides})
    varied = [key for key in keys if len({_value(job, key) for job in jobs}) > 1]
    fixed = [override for override in jobs[0].overrides if override.partition("=")[0].lstrip("+") not in varied]
    digest = hashlib.blake2b("\n".join(sorted(fixed)).encode(), digest_size=3).hexdigest()
    return Path(config.runs_dir) / "sweeps" / f"{'-'.join(varied) or 'single'}-{digest}"


def _value(job: Job, key: str) -> str | None:
    return next((o.partition("=")[2] for o in job.overrides if o.partition("=")[0].lstrip("+") == key), None)


def run_jobs(jobs: Sequence[Job]) -> list[int]:
    """Run the jobs one after another and return their exit codes. A job that has finished already is not run again.

    Raises UserError where a job failed, after the others have run.
    """
    folder = sweep_directory(jobs)
    codes = []
    for number, job in enumerate(jobs, 1):
        run_dir = folder / job.name
        shown = " ".join(override.lstrip("+") for override in job.overrides)
        print(f"job {number}/{len(jobs)}: {shown}", file=sys.stderr, flush=True)
        codes.append(
            0 if status_of(run_dir) == "finished" else subprocess.run(job_command(job, run_dir), check=False).returncode
        )
    failed = [job for job, code in zip(jobs, codes, strict=True) if code]
    print(folder)
    if failed:
        raise UserError(f"{len(failed)} of {len(jobs)} jobs failed; see log.txt and record.json in {folder}")
    return codes


def job_command(job: Job, run_dir: Path) -> list[str]:
    """Return the command of a job: a new run, or the continuation of one that was interrupted."""
    command = [sys.executable, "-m", sys.modules["__main__"].__spec__.name]  # type: ignore[union-attr]
    if (run_dir / "compose.yaml").exists():
        return [*command, f"resume={run_dir}"]
    sources = [s.path for s in job.config.hydra.runtime.config_sources if s.provider == "command-line"]
    flags = [argument for path in sources for argument in ("--config-dir", path)]
    return [*command, *flags, *job.overrides, f"run_dir={run_dir}"]


def status_of(run_dir: Path) -> str | None:
    """Return how the run in a directory ended, or None where there is none."""
    record = run_dir / "record.json"
    return str(json.loads(record.read_text())["status"]) if record.exists() else None
