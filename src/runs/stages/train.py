"""The stage that trains one experiment: in a process of its own, continued where it was interrupted."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from src.config.experiments import Experiment
from src.cores import automatic_threads
from src.errors import UserError
from src.files import write_text
from src.runs.directory import RunDirectory, lock_run
from src.runs.record import processor, versions
from src.runs.stages.dependencies import current
from src.runs.stages.places import CONTINUED, DATA, LEARNED, OUTPUTS, SCRATCH, SOURCES, STAGES
from src.runs.stages.publish import publish, write_digests
from src.sweeps.processes import run_to_end

STARTED_FROM = "stage.digest"
"""In a scratch directory: the digest of everything that its run depends on, as long as it is not published."""


def train(name: str) -> None:
    """Train experiment `name` and publish what it learned. Ends the process with the training's exit code if not 0.

    A scratch run that was interrupted is continued where configuration, code, data, source, packages and machine are
    the same, also by `dvc repro --force`; one that was published is never used again, so that it trains.
    """
    experiment = current(f"{name}/train.json")[name]
    run = RunDirectory(SCRATCH / name)
    started_from = _digest_of_dependencies(experiment)
    mark = run.path / STARTED_FROM
    if not (mark.is_file() and mark.read_text() == started_from and run.checkpoint("last").exists()):
        if run.path.exists():
            lock_run(run).release()  # a process that a killed pipeline left behind may still train there
            shutil.rmtree(run.path)
        write_text(mark, started_from)
    if failed := run_to_end(_command(experiment, run)):
        sys.exit(failed)
    current(f"{name}/train.json")
    _require_same_data(experiment, run)
    code = json.loads(_content(STAGES / name / "train.json"))["code"]
    files = publish(run, experiment, code, OUTPUTS / name)
    write_digests(files, (CONTINUED if experiment.source else LEARNED) / f"{name}.json")
    mark.unlink()


def _command(experiment: Experiment, run: RunDirectory) -> list[str]:
    command = [sys.executable, "-m", "src.train"]
    if run.checkpoint("last").exists():
        return [*command, f"resume={run.path}", *experiment.trust]
    return [*command, *experiment.overrides, f"run_dir={run.path}"]


def _digest_of_dependencies(experiment: Experiment) -> str:
    files = [STAGES / experiment.name / "train.json", DATA / f"{experiment.name}.json"]
    if experiment.source:
        files.append(SOURCES / f"{experiment.name}.json")
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(_content(file))
    digest.update(json.dumps(_surroundings(experiment)).encode())
    return digest.hexdigest()


def _surroundings(experiment: Experiment) -> dict[str, Any]:
    """Return what bits depend on beside files: a training is not begun with one of these and ended with another."""
    threads = experiment.composed.config.threads
    return {
        "versions": versions(),
        "processor": processor(),
        "cores": automatic_threads()[0] if threads == "auto" else threads,
    }


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): type dvc repro, which makes it first") from error


def _require_same_data(experiment: Experiment, run: RunDirectory) -> None:
    """Raise UserError where the data are not those that were prepared: DVC would not know of it."""
    prepared = json.loads((DATA / f"{experiment.name}.json").read_text())["digest"]
    found = json.loads(run.data.read_text())["digest"]
    if found != prepared:
        raise UserError(
            f"{experiment.name}: the data have changed since they were prepared; type dvc repro --force prepare, then "
            "dvc repro"
        )
