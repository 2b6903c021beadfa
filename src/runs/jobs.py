"""The jobs of a sweep: each is a process of its own in a directory of its own."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from src.config import saved
from src.config.assess import assess_job
from src.config.composed import Composed
from src.config.problems import ConfigurationError
from src.errors import UserError
from src.runs.record import status_of


@dataclass(frozen=True)
class Job:
    """One point of a sweep: what Hydra made of the lists that were typed, and its checked configuration."""

    overrides: tuple[str, ...]
    composed: Composed

    @property
    def values(self) -> dict[str, str]:
        """Return the overrides by key, as typed."""
        return {key: value for key, _, value in (text.lstrip("+").partition("=") for text in self.overrides)}


def checked(master: DictConfig, points: Sequence[Sequence[str]]) -> list[Job]:
    """Compose and check every job of a sweep before the first one starts.

    Raises ConfigurationError with the mistakes of all of them.
    """
    assessments = [assess_job(master, overrides) for overrides in points]
    if problems := [problem for assessment in assessments for problem in assessment.problems]:
        raise ConfigurationError(problems)
    return [Job(tuple(point), found.accepted()) for point, found in zip(points, assessments, strict=True)]


def sweep_directory(jobs: Sequence[Job]) -> Path:
    """Return `sweep_dir`, or a directory below RUNS_DIR/sweeps named after the swept keys and all that is fixed."""
    config = jobs[0].composed.config
    if config.sweep_dir is not None:
        return Path(config.sweep_dir)
    varied = varied_keys(jobs)
    fixed = sorted(f"{key}={value}" for key, value in jobs[0].values.items() if key not in varied)
    return Path(config.runs_dir) / "sweeps" / f"{_word('-'.join(varied)) or 'single'}-{_digest(fixed)}"


def varied_keys(jobs: Sequence[Job]) -> list[str]:
    """Return the keys whose value is not the same in all jobs, sorted."""
    keys = {key for job in jobs for key in job.values}
    return sorted(key for key in keys if len({job.values.get(key) for job in jobs}) > 1)


def job_name(job: Job, varied: Sequence[str]) -> str:
    """Return a directory name that a person can read and a command line can hold: swept values, and a hash of all."""
    shown = _word("-".join(f"{key.rpartition('.')[2]}-{job.values.get(key)}" for key in varied))
    return f"{shown[:80]}-{_digest(sorted(job.overrides))}".lstrip("-")


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-")


def _digest(lines: Sequence[str]) -> str:
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=3).hexdigest()


def run_jobs(jobs: Sequence[Job]) -> list[int]:
    """Run the jobs one after another and return their exit codes. A job that has finished already is not run again.

    Raises UserError where a job failed, after the others have run. Ends the process where a job was interrupted.
    """
    folder, varied = sweep_directory(jobs), varied_keys(jobs)
    codes = []
    for number, job in enumerate(jobs, 1):
        run_dir = folder / job_name(job, varied)
        done = status_of(run_dir) == "finished"
        shown = " ".join(f"{key}={value}" for key, value in job.values.items())
        print(f"job {number}/{len(jobs)}{' (finished before)' if done else ''}: {shown}", file=sys.stderr, flush=True)
        require_same(job, run_dir)
        codes.append(0 if done else run_job(job_command(job, run_dir)))
        if codes[-1] >= 128:
            sys.exit(codes[-1])
    print_results(jobs, folder)
    print(folder)
    if failed := sum(code != 0 for code in codes):
        raise UserError(f"{failed} of {len(jobs)} jobs failed: log.txt and record.json in {folder} say why")
    return codes


def print_results(jobs: Sequence[Job], folder: Path) -> None:
    """Print what each job reached: its monitored metric, its test accuracy where it has one, and its swept values."""
    varied = varied_keys(jobs)
    for job in jobs:
        try:
            figures = json.loads((folder / job_name(job, varied) / "metrics.json").read_text())
        except (OSError, ValueError):
            figures = {}
        keys = dict.fromkeys((job.composed.config.model.monitor, "test/accuracy"))
        found = "  ".join(f"{key} {figures[key]:.4f}" for key in keys if key in figures) or "no figures"
        print(f"{found}  {' '.join(f'{key}={job.values[key]}' for key in varied if key in job.values)}")


def run_job(command: Sequence[str]) -> int:
    """Run a job to its end and return its exit code. A Ctrl-C is the job's: it saves, and is waited for."""
    process = subprocess.Popen(command)
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, handler)


def require_same(job: Job, run_dir: Path) -> None:
    """Raise UserError where a job's directory holds a run of another configuration: its files were changed since."""
    compose = run_dir / "compose.yaml"
    if not compose.exists():
        return
    then, now = (
        {key: value for key, value in saved.plain(composed.config).items() if key not in ("run_dir", "threads")}
        for composed in (saved.load(compose), job.composed)
    )
    changed = sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))
    if changed:
        raise UserError(
            f"{run_dir} was run with another {', '.join(changed)}: the configuration files were changed since. Type "
            "sweep_dir=ANOTHER to run this sweep anew, or remove that directory"
        )


def job_command(job: Job, run_dir: Path) -> list[str]:
    """Return the command of a job: a new run, or the continuation of one that was interrupted."""
    command = [sys.executable, "-m", "src.train"]
    if (run_dir / "compose.yaml").exists():
        return [*command, f"resume={run_dir}"]
    flags = [argument for folder in job.composed.config_folders for argument in ("--config-dir", str(folder))]
    return [*command, *flags, *job.overrides, f"run_dir={run_dir}"]
