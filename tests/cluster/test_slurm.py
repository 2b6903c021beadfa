"""On a real SLURM of one node, which `slurm.sh` starts: sweeps, and the README's recipe for one run."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.cluster.waiting import wait_until
from tests.prove.promise import ROOT, command, same, tensors
from tests.training import TINY, on_top

pytestmark = pytest.mark.slurm

LONG = ("data.batch_size=8", "data.source.train=800", "trainer.max_epochs=12")


def told(*typed: str) -> str:
    done = subprocess.run(typed, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def jobs(column: str, *options: str) -> list[str]:
    return told("squeue", "--noheader", f"--format={column}", *options).split()


def start_now(number: str) -> None:
    """Spare a requeued job most of the two minutes that SLURM has it wait, to tell it from the one that ended."""
    wait_until(lambda: jobs("%T", "--jobs", number) == ["PENDING"], f"job {number} is queued again")
    told(
        "scontrol", "update", f"JobId={number}", "StartTime=now+3"
    )  # in the same second SLURM would take it for the one that ended


def rows(folder: Path) -> dict[str, dict[str, str]]:
    return {row["job"]: row for row in csv.DictReader((folder / "sweep.csv").open())}


def attempts(run_dir: Path) -> list[tuple[int, str | None]]:
    found = json.loads((run_dir / "job.json").read_text())["attempts"]
    return [(attempt["exit_code"], attempt["why"]) for attempt in found]


def test_a_sweep_outlives_its_process_and_says_what_became_of_each_job(tmp_path):
    """Three jobs on two processors: one is preempted, one killed, and one cancelled while it waits."""
    folder = tmp_path / "sweep"
    rates = ("optimizer.lr=0.1,0.05,0.01", "hydra/launcher=submitit_slurm", f"sweep_dir={folder}")
    typed = command("train", "-m", *on_top(TINY, [*LONG, *rates]))
    first = subprocess.Popen(typed, cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(list(folder.glob("*/checkpoints/last.ckpt"))) == 2, "two jobs run")
    first.send_signal(signal.SIGKILL)
    first.wait()
    listed = [line.split("|") for line in told("squeue", "--noheader", "--format=%A|%j").splitlines()]
    numbers = {name.rpartition("-")[0]: number for number, name in listed}
    preempted, killed = (path.parent.parent.name for path in sorted(folder.glob("*/checkpoints/last.ckpt")))
    (waiting,) = {path.name for path in folder.glob("lr-*")} - {preempted, killed}

    second = subprocess.Popen(typed, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert second.stderr is not None
    taken_up = [second.stderr.readline() for _ in range(3)]
    assert all("running" in line for line in taken_up)
    told("scancel", numbers[waiting])
    told("scancel", "--signal=USR2", numbers[preempted])  # what SLURM sends before it takes a node back
    for line in told("scontrol", "listpids", numbers[killed]).splitlines()[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)
    start_now(numbers[preempted])
    _, errors = second.communicate()
    assert second.returncode == 1, errors
    assert len(list((folder / ".submitit").glob("*_submitted.pkl"))) == 4, "only the killed job again"
    found = rows(folder)
    states = {name: row["state"] for name, row in found.items()}
    assert states == {preempted: "finished", killed: "finished", waiting: "interrupted"}
    assert found[waiting]["reason"] == f"SLURM job {numbers[waiting]}: CANCELLED"
    assert attempts(folder / killed) == [(-signal.SIGKILL, f"SLURM job {numbers[killed]}: FAILED"), (0, None)]
    assert attempts(folder / preempted) == [(128 + signal.SIGUSR1, None), (0, None)]

    third = subprocess.run(typed, cwd=ROOT, capture_output=True, text=True, check=False)
    assert third.returncode == 0, third.stderr
    assert {row["state"] for row in rows(folder).values()} == {"finished"}
    assert len(list((folder / ".submitit").glob("*_submitted.pkl"))) == 5
    assert "starting again" not in (folder / killed / "output.txt").read_text()
    for path in folder.glob("*/record.json"):
        assert "-m src.train" in json.loads(path.read_text())["command"]


def recipe(folder: Path) -> Path:
    """Write down the README's batch script, for one node without GPUs."""
    text = (ROOT / "README.md").read_text()
    found = re.search(r"^    #!/bin/bash\n(    .*\n)+", text, re.MULTILINE)
    assert found is not None
    script = textwrap.dedent(found[0])
    for theirs, ours in (
        ("--nodes=2 --ntasks-per-node=4 --gpus-per-node=4", "--nodes=1 --ntasks-per-node=2"),
        ("trainer=ddp trainer.devices=4 trainer.num_nodes=2", "trainer=ddp_cpu"),
        ("runs/", f"{folder}/"),
    ):
        assert theirs in script
        script = script.replace(theirs, ours)
    (folder / "job.sh").write_text(script)
    return folder / "job.sh"


def test_the_recipe_of_the_readme_saves_is_requeued_and_ends_at_the_same_bits(tmp_path, monkeypatch):
    """Two tasks with a loader process each, asked once by SIGUSR1, as the time runs out, and once by a requeue."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    options = on_top(TINY, [*LONG, "trainer.max_epochs=5", "data.num_workers=1", "callbacks=[default,ema]"])
    options.remove("trainer.accelerator=cpu")
    number = told("sbatch", "--parsable", f"--output={tmp_path}/%j.out", str(recipe(tmp_path)), *options)
    run = tmp_path / f"slurm-{number}"
    last = run / "checkpoints" / "last.ckpt"
    for ask in (("scancel", "--signal=USR1", number), ("scontrol", "requeue", number)):
        before = last.stat().st_mtime if last.exists() else 0
        wait_until(lambda before=before: last.exists() and last.stat().st_mtime > before, "an epoch's end")
        asked = time.time()
        told(*ask)
        wait_until(lambda: json.loads((run / "record.json").read_text())["status"] == "interrupted", "it has saved")
        assert last.stat().st_mtime - asked < 10
        start_now(number)
    wait_until(lambda: not jobs("%T", f"--name={recipe(tmp_path).name}"), "the job ends")
    output = (tmp_path / f"{number}.out").read_text()
    assert json.loads((run / "record.json").read_text())["status"] == "finished", output
    assert "JobState=COMPLETED" in told("scontrol", "show", "job", number)
    assert (run / "log.txt").read_text().count("epoch 2/5 ") == 1
    alone = command("train", "trainer=ddp_cpu", *options, f"run_dir={tmp_path}/whole")
    whole = subprocess.run(alone, cwd=ROOT, capture_output=True, text=True, check=False)
    assert whole.returncode == 0, whole.stderr
    assert same(tensors(run), tensors(tmp_path / "whole"))
