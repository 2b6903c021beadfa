"""A sweep from what was typed behind `-m` to its last job."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from src.config import figures, saved
from src.config.assess import Assessment, assess
from src.config.composed import Composed
from src.config.effects import within
from src.config.groups import Groups, Loader
from src.config.overrides import Typed
from src.config.problems import ConfigurationError, Problem
from src.config.shared import SharedChoices
from src.errors import UserError
from src.files import write_json
from src.sweeps import locks
from src.sweeps.cluster import Cluster, Elsewhere, cluster_of, require_one_task
from src.sweeps.devices import Gpus, visible_gpus
from src.sweeps.engine import Engine, Jobs, require_enough
from src.sweeps.grid import Grid, combinations
from src.sweeps.job import Job, gpus_of, is_control, read_job, short_digest, word
from src.sweeps.local import ThisMachine
from src.sweeps.space import Dimension, dimensions
from src.sweeps.table import Table
from src.sweeps.trials import Trials, computes, objectives


class Plan:
    """What a sweep is made of: the swept keys, what is fixed, and how a point becomes a checked job."""

    def __init__(self, assessment: Assessment, file: str | None) -> None:
        self.composed: Composed = assessment.accepted()
        self.config = saved.plain(self.composed.config)
        for key, found in zip(("metric", "direction"), figures.objectives(self.config), strict=True):
            self.config["search"][key] = found[0] if len(found) == 1 else found
        self.groups: Groups = self.composed.groups
        self.file = file
        self.choices = SharedChoices()
        typed = [override for override in assessment.typed if not is_control(override.key)]
        self.typed = {override.key for override in assessment.typed}
        require_one_value(assessment.typed)
        require_use(assessment.typed, self.is_grid)
        self.dimensions: list[Dimension] = dimensions(typed, self.config["search"]["space"], self.groups)
        swept = {dimension.key for dimension in self.dimensions}
        self.order = [override.key for override in typed]
        self.fixed = {override.key: override.canonical for override in typed if override.key not in swept}
        self.folder = sweep_directory(self, assessment.typed)

    @property
    def is_grid(self) -> bool:
        """Whether all points are known from the start."""
        return self.config["search"]["sampler"] is None

    def job(self, values: Mapping[str, str]) -> tuple[Job, list[Problem]]:
        """Return the job at a point and what is wrong with it, as if its overrides had been typed without -m."""
        texts = self.fixed | {key: f"{key}={value}" for key, value in values.items()}
        ordered = tuple(texts[key] for key in dict.fromkeys((*self.order, *texts)) if key in texts)
        found = assess("train", ordered, self.groups, config_name=self.file, compose=self.choices.compose)
        config = saved.plain(found.composed.config) if found.composed is not None and not found.problems else {}
        return Job(self.folder, ordered, dict(values), config, self.flags), found.problems

    def checked(self, values: Mapping[str, str]) -> Job:
        """Return the job at a point. Raises ConfigurationError where there cannot be one."""
        job, problems = self.job(values)
        if problems:
            raise ConfigurationError(problems)
        return job

    @property
    def flags(self) -> tuple[str, ...]:
        """Hydra's own options, which go to every job."""
        folders = (word for folder in self.composed.config_folders for word in ("--config-dir", str(folder)))
        return (*folders, *(("--config-name", self.file) if self.file else ()))


def sweep(assessment: Assessment, file: str | None = None) -> int:
    """Carry out the sweep that was typed, or go on with it; returns the exit code.

    That is 0 where every job has finished, 1 where some failed or are stale, 128 and the signal's number where it was
    stopped. Raises UserError, before anything has started, where a job cannot be.
    """
    plan = Plan(assessment, file)
    settings = plan.config["sweep"]
    kind = cluster_of(plan.composed.launcher)
    gpus = Elsewhere() if kind else Gpus(visible_gpus())
    checked = all_checked(plan) if plan.is_grid else probes(plan)
    if not plan.is_grid:
        require_same_keys(plan)
    require_enough(gpus, checked)
    if kind:
        require_one_task(plan.composed.launcher, checked)
    lock = locks.hold_sweep(own_folder(plan.folder))
    preload = settings["preload"] and not computes(plan.config["search"])
    place: ThisMachine | Cluster = ThisMachine(preload, settings["jobs"])
    if kind:
        place = Cluster(kind, plan.composed.launcher)
    jobs: Jobs = Grid(checked)
    if not plan.is_grid:
        jobs = search = trials(plan)
        place.study = search.where
    write_json(plan.folder / "sweep.json", description(plan))
    table = Table(jobs)
    left = {} if kind else left_running(plan.folder)
    engine = Engine(jobs, place, table, parallel_jobs(plan, kind), settings["retry"], gpus, lock, left)
    try:
        stopped = engine.run()
    except BaseException:
        with contextlib.suppress(Exception):  # what ended the sweep is told, not what came of it
            leave_results(plan, engine)
        raise
    table.show(engine.seen, engine.states, final=True)
    leave_results(plan, engine)
    if stopped is not None:
        return 128 + stopped
    return conclude(plan, engine)


def left_running(folder: Path) -> dict[Path, list[str]]:
    """Return the locks of jobs that an earlier start of the sweep left behind and that still run, with their GPUs."""
    return {lock: gpus_of(read_job(lock.parent)) for lock in folder.glob("*/.job.lock") if locks.is_held(lock)}


def parallel_jobs(plan: Plan, kind: str | None) -> int:
    """Return how many jobs may run, or wait in a cluster's queue, at a time.

    That is `sweep.jobs`. Where nobody typed it, all jobs of a grid go into SLURM's queue, up to its launcher's
    `array_parallelism`; a search must learn from some first.
    """
    if kind == "slurm" and plan.is_grid and "sweep.jobs" not in plan.typed:
        return int(plan.composed.launcher["array_parallelism"])
    return int(plan.config["sweep"]["jobs"])


def all_checked(plan: Plan) -> Sequence[Job]:
    """Return the jobs of a grid. Raises ConfigurationError with the mistakes of all of them."""
    found = [plan.job(values) for values in combinations(plan.dimensions)]
    if problems := [problem for _, wrong in found for problem in wrong]:
        raise ConfigurationError(problems)
    return list({job.name: job for job, _ in found}.values())  # a value that was typed twice is one job


def probes(plan: Plan) -> Sequence[Job]:
    """Return jobs in which each end and each choice of every swept key occurs.

    Raises ConfigurationError with the mistakes of all of them, so that no search ends on a value that cannot be.
    """
    if plan.config["sweep"]["retry"] == "stale":
        raise UserError(
            "sweep.retry=stale: a search has learnt from the trials that it would put aside; type sweep_dir=ANOTHER"
        )
    if not plan.dimensions:
        raise UserError(
            "search: nothing is swept; type a key with several values, such as optimizer.lr=interval(0.01,1)"
        )
    if plan.config["search"]["n_trials"] is None:
        raise UserError("search.n_trials is missing: type how many trials there shall be in all")
    objectives(plan.config["search"])
    first = {dimension.key: dimension.ends()[0] for dimension in plan.dimensions}
    points = [first | {dimension.key: value} for dimension in plan.dimensions for value in dimension.ends()[1:]]
    found = [plan.job(values) for values in [first, *points]]
    if problems := [problem for _, wrong in found for problem in wrong]:
        raise ConfigurationError(problems)
    return [job for job, _ in found]


def trials(plan: Plan) -> Trials:
    """Return the study of a search. Raises UserError where it holds trials of another configuration."""
    section = plan.config["search"]
    retry = plan.config["sweep"]["retry"] == "failed"
    name = section["study"] or plan.folder.name
    found = Trials(section, plan.dimensions, name, plan.folder, plan.checked, retry)
    if stale := found.stale():
        raise UserError(
            f"{plan.folder}: {', '.join(job.name for job in stale)} ran with other configuration files, and a search "
            "cannot learn from both; type sweep_dir=ANOTHER to begin another"
        )
    return found


def require_one_value(typed: Sequence[Typed]) -> None:
    """Raise UserError where what says how a sweep is carried out was typed with several values."""
    for override in typed:
        if override.sweep and is_control(override.key):
            raise UserError(f"{override.text}: one sweep has one {override.key}")


OF_ONE_RUN = {
    "run_dir": "each job has a run directory of its own; the sweep's is sweep_dir=...",
    "resume": "the same command again continues a sweep",
    "replay": "replay one run at a time, without -m",
}
"""What is typed for a run and means nothing for a sweep, with what to do instead."""
OF_A_SEARCH = ("pruner", "search.n_trials", "search.storage", "search.study", "search.dead_after")


def require_use(typed: Sequence[Typed], is_grid: bool) -> None:
    """Raise UserError where something was typed that a sweep, or a grid, has no use for."""
    for override in typed:
        if override.key in OF_ONE_RUN and override.values != (None,):
            raise UserError(f"{override.canonical}: {OF_ONE_RUN[override.key]}")
        if is_grid and override.values not in ((None,), ("none",)) and within(override.key, OF_A_SEARCH):
            raise UserError(
                f"{override.canonical}: a grid trains every point to its end; that is for a search (search=tpe)"
            )


def require_same_keys(plan: Plan) -> None:
    """Raise UserError where jobs in a search's directory have other swept keys: one cannot learn from them."""
    keys = {dimension.key for dimension in plan.dimensions}
    for path in sorted(plan.folder.glob("*/job.json")):
        if (others := read_job(path.parent).get("swept")) is not None and set(others) != keys:
            raise UserError(
                f"sweep_dir={plan.folder} holds {path.parent.name}, a job over {', '.join(others)}, not over "
                f"{', '.join(sorted(keys))}; type sweep_dir=ANOTHER"
            )


def own_folder(path: Path) -> Path:
    """Make the directory of a sweep and return it. Raises UserError where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"sweep_dir={path}: {error.strerror}") from error
    return path


def sweep_directory(plan: Plan, typed: Sequence[Typed]) -> Path:
    """Return `sweep_dir`, or RUNS_DIR/sweeps and a name made of the swept keys, the search, and all that is fixed.

    The values are not part of it: the same command with more of them, or with more trials, goes on with its sweep.
    """
    config = plan.config
    if config["sweep_dir"] is not None:
        return Path(config["sweep_dir"]).resolve()
    how = [
        override.canonical
        for override in typed
        if override.key.partition(".")[0] in ("search", "pruner") and override.key != "search.n_trials"
    ]
    keys = sorted(dimension.key for dimension in plan.dimensions)
    search = plan.composed.choices.get("search")
    shown = "-".join([*(key.rpartition(".")[2] for key in keys), *([] if search == "grid" else [str(search)])])
    digest = short_digest([*sorted(plan.fixed.values()), *keys, *sorted(how)])
    return (Path(config["runs_dir"]) / "sweeps" / f"{word(shown)[:60] or 'single'}-{digest}").resolve()


def description(plan: Plan) -> dict[str, Any]:
    """Return what sweep.json says: enough to know the sweep by and to type it again."""
    return {
        "command": " ".join(sys.orig_argv),
        "fixed": list(plan.fixed.values()),
        "swept": [dimension.text for dimension in plan.dimensions],
        "search": plan.config["search"],
    }


def leave_results(plan: Plan, engine: Engine) -> None:
    """Write sweep.csv, means.csv and report.html over the jobs so far, and name the best of them."""
    from src.sweeps.results import best_job, points_of, write_means, write_page, write_table

    jobs = list(engine.seen.values())
    if not plan.is_grid:
        known = [plan.folder / path.parent.name for path in plan.folder.glob("*/job.json")]
        jobs += earlier_jobs(plan, [path for path in known if path.name not in engine.seen])
        for job in jobs:
            engine.states.setdefault(job.name, job.status or "interrupted")
    search = plan.config["search"]
    metrics, directions = objectives(search)
    write_table(plan.folder, jobs, engine.states)
    points = points_of(jobs, engine.states)
    write_means(plan.folder, points)
    write_page(plan.folder, points, jobs, plan.dimensions, metrics, directions)
    if (best := best_job(points, metrics, directions)) is not None:
        print(f"best {metrics[0]}: {plan.folder / best.name}", file=sys.stderr)


def earlier_jobs(plan: Plan, paths: Sequence[Path]) -> list[Job]:
    """Return the jobs of a search that ended in earlier starts, as they wrote themselves down."""
    found = []
    for path in sorted(paths):
        known = read_job(path)
        config = (
            yaml.load((path / "config.yaml").read_text(), Loader) if (path / "config.yaml").exists() else plan.config
        )
        job = Job(plan.folder, tuple(known["overrides"]), known["swept"], config, plan.flags)
        if job.path == path:  # not one that was put aside
            found.append(job)
    return found


def conclude(plan: Plan, engine: Engine) -> int:
    """Say what came of it; returns the exit code."""
    ends = ("interrupted", "failed", "stale")
    wrong = {state: [name for name, found in engine.states.items() if found == state] for state in ends}
    for state, names in wrong.items():
        for job in (engine.seen[name] for name in names if name in engine.seen):
            print(f"{state}: {job.path}{f': {job.reason()}' if state != 'stale' else ''}", file=sys.stderr)
    if wrong["interrupted"]:
        print(
            f"{len(wrong['interrupted'])} jobs were interrupted; the same command goes on with them.", file=sys.stderr
        )
    if wrong["failed"]:
        print(f"{len(wrong['failed'])} jobs failed; sweep.retry=failed runs them again.", file=sys.stderr)
    if wrong["stale"]:
        print(
            f"{len(wrong['stale'])} jobs are stale: configuration files were changed since they ran. sweep.retry=stale "
            "puts them aside and runs them anew; sweep_dir=ANOTHER starts another sweep.",
            file=sys.stderr,
        )
    unfinished = [state for state in engine.states.values() if state not in ("finished", "pruned")]
    print(plan.folder)
    return 1 if unfinished else 0
