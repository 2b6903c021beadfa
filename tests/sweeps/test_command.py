"""Sweeps as a user types them, with real processes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.prove.promise import ROOT, command, same, tensors
from tests.training import TINY, on_top, train

SHORT = on_top(TINY, ["data.source.train=64", "data.source.val=16", "data.source.test=16", "data.batch_size=8"])


def sweep(*overrides: str) -> list[str]:
    return command("train", "-m", *on_top(SHORT, overrides))


def run(typed: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(typed, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def test_a_sweep_killed_with_all_its_jobs_goes_on_to_the_bits_of_single_runs(tmp_path):
    """Jobs are copies of the sweep's process: nothing of it may show in what they learn."""
    typed = sweep("trainer.max_epochs=4", "optimizer.lr=0.1,0.01", "sweep.jobs=2", f"sweep_dir={tmp_path}/sweep")
    process = subprocess.Popen(typed, cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("sweep/*/checkpoints/last.ckpt")) and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(tmp_path.glob("sweep/*/metrics.json"))
    done = run(typed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "sweep")
    rows = list(csv.DictReader((tmp_path / "sweep" / "sweep.csv").open()))
    assert [row["state"] for row in rows] == ["finished"] * 2
    for row in rows:
        single = train(tmp_path / row["job"], *SHORT, "trainer.max_epochs=4", f"optimizer.lr={row['optimizer.lr']}")
        assert same(tensors(Path(row["run_dir"])), tensors(single))
    page = (tmp_path / "sweep" / "report.html").read_text()
    best = max(rows, key=lambda row: float(row["val/accuracy"]))
    assert "Best" in page
    assert f"optimizer.lr={best['optimizer.lr']}" in page
    again = run(typed)
    assert again.returncode == 0
    assert "running" not in again.stderr


def test_one_failing_job_fails_alone_and_is_named(tmp_path):
    typed = sweep(
        "trainer.max_epochs=1", "optimizer.lr=0.1,1e+30", f"sweep_dir={tmp_path}",
    )  # fmt: skip
    done = run(typed)
    assert done.returncode == 1
    assert "sweep.retry=failed" in done.stderr
    states = {row["optimizer.lr"]: row for row in csv.DictReader((tmp_path / "sweep.csv").open())}
    assert states["0.1"]["state"] == "finished"
    assert states["1e+30"]["state"] == "failed"
    assert "not finite" in states["1e+30"]["reason"]


def test_submitit_runs_each_job_as_a_process(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    typed = sweep("trainer.max_epochs=1", "optimizer.lr=choice(0.1)", f"sweep_dir={tmp_path}")
    done = run([*typed, "hydra/launcher=submitit_local"])
    assert done.returncode == 0, done.stderr
    (job,) = tmp_path.glob("*/job.json")
    assert json.loads(job.read_text())["attempts"][0]["exit_code"] == 0
    assert "-m src.train" in json.loads((job.parent / "record.json").read_text())["command"]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["optimizer.lr=interval(0.01,1)"], "search=random or search=tpe"),
        (["optimizer.lr=interval(-1,1)", "search=tpe"], "optimizer.lr=-1.0"),
        (["search=tpe"], "nothing is swept"),
        (["optimizer.lr=0.1,0.2", "sweep.jobs=1,2"], "one sweep has one sweep.jobs"),
        (["optimizer.lr=0.1,0.2", "sweep.retrry=failed"], "did you mean"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_starts(tmp_path, typed, words):
    done = run(sweep(*typed, f"sweep_dir={tmp_path}/s"))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("s/*"))
