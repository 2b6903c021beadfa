"""Sweeps that are killed, pruned and run by two processes each end as undisturbed ones would."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import optuna
import yaml
from optuna.trial import TrialState as State

from src.sweeps.storage import open_storage
from tests.prove.promise import ROOT, Promise, command, same, tensors

EPOCHS = 4
SHORT = (
    *("model=lenet", "data.source.size=32", "data.source.train=320", "data.source.val=64", "data.source.test=64"),
    *("data.batch_size=16", "data.num_workers=0", f"trainer.max_epochs={EPOCHS}", "threads=1", "logger=csv"),
)
KILLED = (*SHORT, "trainer.accelerator=cpu", "optimizer.lr=0.1,0.05,0.02,0.01", "seed=0,1", "sweep.jobs=2")
SEARCH = (
    *(*SHORT, "trainer=ddp_cpu", "optimizer.lr=tag(log,interval(1e-4,1))", "search=tpe", "search.n_trials=20"),
    *("pruner=median", "search.sampler.n_startup_trials=5", "search.pruner.n_startup_trials=3"),
)
KILLS = 10
BEFORE_KILL = 8
"""Trials that a search has begun when it is killed."""


def promises() -> Iterator[Promise]:
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        yield from killed(Path(folder))
        yield from pruned(Path(folder))
        yield from two_processes(Path(folder))


def killed(folder: Path) -> Iterator[Promise]:
    """8 jobs, 2 at a time, killed with everything at ten random moments."""
    finish(*KILLED, f"sweep_dir={folder}/whole")
    whole, sweep = folder / "whole", folder / "broken"
    broken = (*KILLED, f"sweep_dir={sweep}")
    kills = lost = anew = 0
    had: dict[str, int] = {}
    while kills < KILLS:
        process = start(*broken)
        time.sleep(random.uniform(2, 8))
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        anew += sum(beginnings(sweep / name) > said for name, said in had.items())
        lost += sum(not checkpoint(sweep / name).exists() for name in had)
        had = {path.name: beginnings(path) for path in sweep.glob("*-*") if checkpoint(path).exists()}
    finish(*broken)
    anew += sum(beginnings(sweep / name) > said for name, said in had.items())
    attempts = [json.loads(path.read_text())["attempts"] for path in sweep.glob("*/job.json")]
    once = sum(endings(path) == 1 for path in sweep.glob("*-*"))
    most = max(map(len, attempts))
    names = sorted(path.parent.name for path in whole.glob("*/job.json"))
    equal = sum(same(tensors(whole / name), tensors(sweep / name)) for name in names)
    rows_equal = rows(whole) == rows(sweep)
    text = f"8 jobs, 2 at a time, killed {kills} times"
    figure = f"{once} of {len(attempts)} in up to {most} attempts"
    yield Promise(f"{text}: finished exactly once", figure, "8 of 8", once == len(attempts) == 8 and kills == KILLS)
    yield Promise(
        f"{text}: checkpoints lost, jobs begun anew in spite of one", f"{lost}, {anew}", "0, 0", lost == anew == 0
    )
    figure = f"{equal} of 8 runs to the bit, tables {'equal' if rows_equal else 'different'}"
    yield Promise(f"{text}: results like undisturbed", figure, "8 of 8, equal", rows_equal and equal == len(names) == 8)


def endings(job: Path) -> int:
    """Return how often a job has come to its end; the last time perhaps with nobody left to take its exit code."""
    attempts = json.loads((job / "job.json").read_text())["attempts"]
    seen = sum(attempt["exit_code"] == 0 for attempt in attempts)
    finished = json.loads((job / "record.json").read_text())["status"] == "finished"
    return seen + (finished and attempts[-1]["end"] is None)


def pruned(folder: Path) -> Iterator[Promise]:
    """A search with pruning, two processes to each trial, killed in its middle."""
    where = f"sweep_dir={folder}/search"
    process = start(*SEARCH, where)
    while process.poll() is None and len(list(folder.glob("search/*/job.json"))) < BEFORE_KILL:
        time.sleep(0.5)
    begun = len(list(folder.glob("search/*/job.json"))) if process.poll() is None else 0
    if begun:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finish(*SEARCH, where)
    states = {name: record["status"] for name, record in records(folder / "search").items()}
    ended, left = trials(folder / "search")
    yield Promise(
        f"TPE with pruning, killed in trial {begun} and continued: trials ended, trials left, directories",
        f"{ended}, {left}, {len(states)}",
        "20, 0, 20",
        (ended, left, len(states)) == (20, 0, 20) and begun > 0,
    )
    stopped = [stops(folder / "search" / name) for name, status in states.items() if status == "pruned"]
    early = sum(len(epochs) == 2 and len(set(epochs)) == 1 and epochs[0] < EPOCHS for epochs in stopped)
    figure = f"{early} of {len(stopped)}"
    yield Promise(
        f"... stopped before epoch {EPOCHS}, the same for both processes",
        figure,
        "all, >= 1",
        1 <= early == len(stopped),
    )
    yield from alike(folder / "search", "TPE", 20)


def two_processes(folder: Path) -> Iterator[Promise]:
    """A grid of jobs with two processes each."""
    finish(*SHORT, "trainer=ddp_cpu", "optimizer.lr=0.1,0.01", "seed=0,1", f"sweep_dir={folder}/grid")
    yield from alike(folder / "grid", "grid", 4)


def alike(sweep: Path, kind: str, jobs: int) -> Iterator[Promise]:
    """What each process of each job recorded that it trains, and what the sweep wanted it to; what is left running."""
    right = 0
    for path in sweep.glob("*/job.json"):
        wanted = float(json.loads(path.read_text())["swept"]["optimizer.lr"])
        first = yaml.safe_load((path.parent / "config.yaml").read_text())
        second = json.loads((path.parent / "ranks" / "1.json").read_text())
        rates = {wanted, first["optimizer"]["lr"], second["config"]["optimizer"]["lr"]}
        right += len(rates) == 1 and second["digest"] == second["first"]
    text = f"trainer=ddp_cpu, {kind}: jobs whose two processes recorded the hyper-parameters of the job"
    yield Promise(text, f"{right} of {len(list(sweep.glob('*/config.yaml')))}", f"{jobs} of {jobs}", right == jobs)
    left = processes_with(str(sweep))
    yield Promise("... processes left running", str(left), "0", left == 0)


def trials(sweep: Path) -> tuple[int, int]:
    """Return how many trials of a study have reached something, and how many are left, by its journal.

    One that a kill cut off while it was drawn has failed, and is neither.
    """
    found = optuna.load_study(study_name=sweep.name, storage=open_storage(None, sweep)).trials
    states = Counter(trial.state for trial in found)
    return states[State.COMPLETE] + states[State.PRUNED], states[State.RUNNING] + states[State.WAITING]


def checkpoint(run_dir: Path) -> Path:
    return run_dir / "checkpoints" / "last.ckpt"


def beginnings(run_dir: Path) -> int:
    """Return how often a job said that it has nothing to go on from."""
    return (run_dir / "output.txt").read_text(errors="replace").count("starting again at step 0")


def stops(run_dir: Path) -> list[int]:
    """Return after which epoch each process of a trial recorded to have been stopped."""
    return [json.loads(path.read_text())["pruned_after_epoch"] for path in sorted(run_dir.glob("ranks/*.json"))]


def start(*overrides: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command("train", "-m", *overrides), cwd=ROOT, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def finish(*overrides: str) -> None:
    done = subprocess.run(command("train", "-m", *overrides), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])


def records(sweep: Path) -> dict[str, dict[str, str]]:
    return {path.parent.name: json.loads(path.read_text()) for path in sweep.glob("*/record.json")}


def rows(sweep: Path) -> list[dict[str, str]]:
    """Return the rows of sweep.csv without places and times."""
    with (sweep / "sweep.csv").open() as file:
        found = [{k: v for k, v in row.items() if k not in ("run_dir", "seconds")} for row in csv.DictReader(file)]
    return sorted(found, key=lambda row: row["job"])


def processes_with(text: str) -> int:
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += text.encode() in path.read_bytes()
        except OSError:
            continue
    return count
