"""What a sweep leaves for people and other programs: sweep.csv, means.csv and report.html."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import yaml

from src.config.groups import Loader
from src.files import write_csv, write_text
from src.report.overview import write_report
from src.report.points import SEED, Point, by_configuration, configurations, finished
from src.report.sweep import sweep_sections
from src.runs.record import read_record
from src.sweeps.job import Job, State
from src.sweeps.space import Dimension
from src.sweeps.table import last_rows, monitored

ENOUGH = 10
"""Finished jobs from which on shares of importance mean something: they compare the best tenth with all."""


def write_table(folder: Path, jobs: Sequence[Job], states: Mapping[str, State]) -> None:
    """Write sweep.csv: a row per job with its state, swept values, figures, seconds, and why it ended early."""
    figures = {job.name: {k: shortest(v) for k, v in (job.figures() or monitored(job)).items()} for job in jobs}
    swept = list(dict.fromkeys(key for job in jobs for key in job.swept))
    metrics = sorted({name for found in figures.values() for name in found})
    columns = ["job", "trial", "state", *swept, *metrics, "epochs", "seconds", "reason", "run_dir"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    for job in jobs:
        row: dict[str, Any] = {**job.swept, **figures[job.name]}
        row |= {"job": job.name, "trial": job.known.get("trial"), "state": states[job.name], "run_dir": job.path}
        row |= {"epochs": epochs_of(job), "seconds": seconds_of(job), "reason": why(job, states[job.name])}
        writer.writerow(row)
    write_text(folder / "sweep.csv", text.getvalue())


def write_means(folder: Path, points: Sequence[Point]) -> None:
    """Write means.csv where seeds are swept: of the finished jobs of each configuration mean and sample deviation."""
    metrics = sorted({name for point in points if point.state == "finished" for name in point.figures})
    rows = []
    for group in by_configuration(point for point in points if point.state == "finished"):
        row: dict[str, Any] = {key: value for key, value in group[0].values.items() if key != SEED}
        row["n"] = len(group)
        for name in metrics:
            found = [shortest(point.figures[name]) for point in group if name in point.figures]
            row[name] = f"{mean(found):.7g}" if found else ""
            row[f"{name} deviation"] = f"{stdev(found):.7g}" if len(found) > 1 else ""
        rows.append(row)
    if any(row["n"] > 1 for row in rows):
        write_csv(folder / "means.csv", rows)


def write_page(
    folder: Path,
    points: Sequence[Point],
    jobs: Sequence[Job],
    dimensions: Sequence[Dimension],
    metrics: Sequence[str],
    directions: Sequence[str],
) -> None:
    """Write report.html: the jobs by their metric, what the parameters did, and the curves of all runs."""
    logs = {dimension.key for dimension in dimensions if dimension.log}
    shares = importances(points, dimensions, metrics[0], directions[0])
    sections = sweep_sections(points, metrics, directions, logs, shares)
    runs = [job.path for job in jobs if (job.path / "config.yaml").exists()]
    if runs:
        by = metrics[0], directions[0]
        write_report(runs, folder / "report.html", reproducible=False, first=sections, compared_by=by)


def best_job(points: Sequence[Point], metrics: Sequence[str], directions: Sequence[str]) -> Point | None:
    """Return the best job of the best configuration; None of several objectives, and where none has finished."""
    best = configurations(points, metrics[0], directions[0])
    if len(metrics) > 1 or not best:
        return None
    sign = -1 if directions[0] == "max" else 1
    return min(best[0].points, key=lambda point: sign * point.figure(metrics[0]))


def points_of(jobs: Sequence[Job], states: Mapping[str, State]) -> list[Point]:
    """Return the jobs as a report sees them."""
    return [
        Point(
            name=job.name,
            state=states[job.name],
            values=dict(job.swept),
            figures=job.figures() or last_figures(job),
            reason=why(job, states[job.name]),
            command=command_of(job),
        )
        for job in jobs
    ]


def shortest(value: float) -> float:
    """Return the shortest number that means the same in single precision, where a figure was computed in that."""
    single = np.float32(value)
    return float(str(single)) if float(single) == value else value


def last_figures(job: Job) -> dict[str, float]:
    """Return the last value of each column of metrics.csv, for a job that has no final figures."""
    found: dict[str, float] = {}
    for row in last_rows(job):
        found |= {key: float(value) for key, value in row.items() if value and "/" in key}
    return found


def importances(
    points: Sequence[Point], dimensions: Sequence[Dimension], metric: str, direction: str
) -> dict[str, float]:
    """Return how much each parameter matters for the best results, in shares; empty where too few have finished.

    By optuna's PED-ANOVA (Watanabe et al. 2023), over grids as well as searches. A grid's numbers are read as choices.
    """
    ended = finished(points, [metric])
    varied = [
        dimension
        for dimension in dimensions
        if dimension.key != "seed" and len({point.values[dimension.key] for point in ended}) > 1
    ]
    if len(ended) < ENOUGH or not varied:
        return {}
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="minimize" if direction == "min" else "maximize")
    space = {
        dimension.key: optuna.distributions.CategoricalDistribution(
            list(dict.fromkeys(point.values[dimension.key] for point in ended))
        )
        if dimension.choices
        else dimension.distribution()
        for dimension in varied
    }
    for point in ended:
        params: dict[str, Any] = {
            dimension.key: point.values[dimension.key]
            if dimension.choices
            else (int if dimension.whole else float)(point.values[dimension.key])
            for dimension in varied
        }
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=point.figure(metric)))
    try:
        return dict(optuna.importance.get_param_importances(study))
    except (ValueError, RuntimeError):  # where all results are equal there is nothing to explain
        return {}


def command_of(job: Job) -> str:
    """Return what to type to train the same again, without the sweep: with the threads that the job computed with."""
    path = job.path / "config.yaml"
    settled = yaml.load(path.read_text(), Loader) if path.exists() else {}
    typed = any(override.startswith("threads=") for override in job.overrides)
    threads = [f"threads={settled['threads']}"] if "threads" in settled and not typed else []
    return shlex.join(["python", "-m", "src.train", *job.flags, *job.overrides, *threads])


def why(job: Job, state: State) -> str:
    """Return why a job did not finish; nothing for one that did."""
    return "" if state in ("finished", "running") else job.reason()


def epochs_of(job: Job) -> int | None:
    """Return how many epochs a job has trained."""
    done = [int(row["epoch"]) + 1 for row in last_rows(job) if row.get("train/loss")]
    return done[-1] if done else None


def seconds_of(job: Job) -> float | None:
    """Return the seconds that a job took, of all its attempts."""
    seconds = read_record(job.path).get("seconds") or {}
    return round(sum(seconds.values()), 1) if seconds else None
