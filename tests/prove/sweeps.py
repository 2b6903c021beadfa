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
from collections.abc import Iterator
from pathlib import Path

from tests.prove.promise import ROOT, Promise, command

SHORT = (
    *("model=lenet", "data.source.size=32", "data.source.train=320", "data.source.val=64", "data.source.test=64"),
    *("data.batch_size=16", "data.num_workers=0", "trainer.max_epochs=4", "threads=1", "logger=csv"),
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
    broken = (*KILLED, f"sweep_dir={folder}/broken")
    kills = 0
    lost = 0
    while kills < KILLS:
        process = start(*broken)
        time.sleep(random.uniform(2, 20))
        if process.poll() is not None:
            break
        had = {path.parent.parent.name: path.stat().st_mtime for path in folder.glob("broken/*/checkpoints/last.ckpt")}
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        lost += sum(not (folder / "broken" / name / "checkpoints" / "last.ckpt").exists() for name in had)
    finish(*broken)
    jobs = records(folder / "broken")
    again = sum("starting again at step 0" in path.read_text() for path in folder.glob("broken/*/output.txt"))
    done = sum(record["status"] == "finished" for record in jobs.values())
    same = rows(folder / "whole") == rows(folder / "broken")
    text = f"8 jobs, 2 at a time, killed {kills} times"
    yield Promise(f"{text}: finished", f"{done} of {len(jobs)}", "8 of 8", done == len(jobs) == 8)
    yield Promise(f"{text}: checkpoints lost", f"{lost} ({again} began again before their first)", "0", lost == 0)
    yield Promise(f"{text}: results", "equal" if same else "different", "equal", same)


def pruned(folder: Path) -> Iterator[Promise]:
    """A search with pruning, two processes to each trial, killed in its middle."""
    where = f"sweep_dir={folder}/search"
    process = start(*SEARCH, where)
    while process.poll() is None and len(list(folder.glob("search/*/job.json"))) < BEFORE_KILL:
        time.sleep(0.5)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finish(*SEARCH, where)
    found = records(folder / "search")
    states = [record["status"] for record in found.values()]
    trials = len(list(csv.DictReader((folder / "search" / "sweep.csv").open())))
    yield Promise("TPE with pruning, killed and continued: trials", str(trials), "20", trials == 20)
    early = states.count("pruned")
    yield Promise("... of which pruned, in both processes", str(early), ">= 1", early >= 1)
    left = processes_with(str(folder))
    yield Promise("... processes left running", str(left), "0", left == 0)


def two_processes(folder: Path) -> Iterator[Promise]:
    """A grid of jobs with two processes each: what each process recorded."""
    finish(*SHORT, "trainer=ddp_cpu", "optimizer.lr=0.1,0.01", f"sweep_dir={folder}/two")
    ranks = [json.loads(path.read_text()) for path in sorted(folder.glob("two/*/ranks/1.json"))]
    alike = all(seen["digest"] == seen["first"] for seen in ranks)
    yield Promise(
        "trainer=ddp_cpu: configurations that the processes of a job saw",
        f"{len(ranks)} jobs, {'alike' if alike else 'different'}",
        "2 jobs, alike",
        alike and len(ranks) == 2,
    )


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
