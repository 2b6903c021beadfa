"""Sweeps as a user types them, with real processes."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from src.config.command import compose
from src.errors import UserError
from src.sweeps import start
from tests.prove.promise import ROOT, command, same, tensors
from tests.training import TINY, on_top, train

SHORT = on_top(TINY, ["data.source.train=64", "data.source.val=16", "data.source.test=16", "data.batch_size=8"])


def sweep(*overrides: str) -> list[str]:
    return command("train", "-m", *on_top(SHORT, overrides))


def run(typed: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(typed, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def test_a_sweep_killed_with_all_its_jobs_goes_on_to_the_bits_of_single_runs_and_names_the_job_that_fails(tmp_path):
    """Jobs are copies of the sweep's process: nothing of it may show in what they learn."""
    folder = tmp_path / "sweep"
    typed = sweep("trainer.max_epochs=4", "optimizer.lr=0.1,1e+30", "sweep.jobs=2", f"sweep_dir={folder}")
    process = subprocess.Popen(typed, cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL)
    while not list(folder.glob("lr-0.1-*/checkpoints/last.ckpt")) and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(folder.glob("*/metrics.json"))
    done = run(typed)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1] == str(folder)
    assert "sweep.retry=failed" in done.stderr
    good, bad = csv.DictReader((folder / "sweep.csv").open())
    assert [good["state"], bad["state"]] == ["finished", "failed"]
    assert "not finite" in bad["reason"]
    assert "starting again at step 0" not in (Path(good["run_dir"]) / "output.txt").read_text()
    single = train(tmp_path / "single", *SHORT, "trainer.max_epochs=4", "optimizer.lr=0.1")
    assert same(tensors(Path(good["run_dir"])), tensors(single))
    page = (folder / "report.html").read_text()
    assert "Best" in page
    assert "optimizer.lr=0.1" in page


def test_a_search_that_draws_with_torch_is_not_copied(tmp_path, monkeypatch):
    """A copy would wait for ever for the threads that torch has in the sweep's process."""

    def place(preload, jobs):
        raise UserError(f"copies: {preload}")

    monkeypatch.setattr(start, "ThisMachine", place)
    for search, copied in (("gp", False), ("tpe", True), ("grid", True)):
        space = "0.1,0.2" if search == "grid" else "interval(0,1)"
        with pytest.raises(UserError, match=f"copies: {copied}"):
            compose("train", sweep(f"optimizer.lr={space}", f"search={search}", f"sweep_dir={tmp_path}/{search}")[3:])


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
        (["optimizer.lr=interval(0,1)", "search=tpe", "sweep.retry=stale"], "sweep.retry=stale: a search has learnt"),
        (["optimizer.lr=0.1,0.2", "sweep.jobs=1,2"], "one sweep has one sweep.jobs"),
        (["optimizer.lr=0.1,0.2", "sweep.retrry=failed"], "did you mean"),
        (["optimizer.lr=0.1,0.2", "pruner=median"], "a grid trains every point to its end"),
        (["optimizer.lr=0.1,0.2", "search.n_trials=3"], "a grid trains every point to its end"),
        (["optimizer.lr=0.1,0.2", "resume=auto"], "the same command again"),
        (["optimizer.lr=0.1,0.2", "run_dir=there"], "sweep_dir="),
        (["optimizer.lr=interval(0,1)", "search=tpe", "search.metric=val/acuracy"], "did you mean val/accuracy?"),
        (["optimizer.lr=interval(0,1)", "search=tpe", "search.metric=test/loss"], "nothing to test with"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_starts(tmp_path, typed, words):
    """In this process: nothing of it needs torch."""
    with pytest.raises(UserError, match=re.escape(words)):
        compose("train", sweep(*typed, f"sweep_dir={tmp_path}/s")[3:])
    assert not (tmp_path / "s").exists()


def test_a_refusal_is_a_message_and_exit_code_2(tmp_path):
    (tmp_path / "file").touch()
    done = run(sweep("optimizer.lr=0.1,0.2", f"sweep_dir={tmp_path}/file"))
    assert done.returncode == 2
    assert done.stderr == f"sweep_dir={tmp_path}/file: File exists\n"


def test_what_is_typed_for_a_sweep_without_m_is_refused():
    for typed in ("search=tpe", "pruner=median", "sweep.jobs=2", "sweep_dir=there"):
        with pytest.raises(UserError, match="add -m"):
            compose("train", [typed])
