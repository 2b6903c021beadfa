"""The commands as a user types them, in processes of their own."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.prove.promise import ROOT, command, same, tensors
from tests.training import TINY, on_top


def run(module: str, *overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(module, *overrides), cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


def train(*overrides: str) -> list[str]:
    return command("train", *on_top(TINY, overrides))


def test_train_evaluate_and_predict_name_what_they_wrote(tmp_path):
    done = subprocess.run(train(f"runs_dir={tmp_path}"), cwd=ROOT, capture_output=True, text=True, check=True)
    run_dir = Path(done.stdout.splitlines()[-1])
    assert run_dir.parent == tmp_path / "lenet-shapes"
    assert (tmp_path / "latest").resolve() == run_dir
    assert "test/accuracy" in done.stdout

    done = run("evaluate", f"run={tmp_path}/latest", "split=val")
    assert done.returncode == 0, done.stderr
    assert "leaked" not in done.stderr  # what libraries say at the end of a process that did not clear up after itself
    evaluation = json.loads(Path(done.stdout.splitlines()[-1]).read_text())
    assert evaluation["val/accuracy"] == json.loads((run_dir / "metrics.json").read_text())["val/accuracy"]

    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((50, 40, 3), np.uint8))
    done = run("predict", f"run={run_dir}", f"input={tmp_path}/photo.png", f"output={tmp_path}/answers.csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(Path(done.stdout.splitlines()[-1]).read_text().splitlines()))
    assert len(rows) == 1
    assert sum(float(value) for key, value in rows[0].items() if key.startswith("p(")) == pytest.approx(1, abs=1e-4)


def test_ctrl_c_saves_and_the_run_continues_to_the_same_bits(tmp_path):
    longer = ("trainer.max_epochs=4", "data.source.train=1600")
    whole = subprocess.run(train(*longer, f"run_dir={tmp_path}/whole"), cwd=ROOT, capture_output=True, check=True)
    assert whole.returncode == 0
    process = subprocess.Popen(
        train(*longer, f"run_dir={tmp_path}/broken"), cwd=ROOT, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    for line in process.stderr:
        if line.startswith("epoch 1/4"):
            break
    time.sleep(0.2)  # into the middle of the second epoch
    process.send_signal(signal.SIGINT)
    errors = process.stderr.read()
    assert process.wait(60) == 130, errors
    assert "resume=" in errors
    assert "Traceback" not in errors
    assert json.loads((tmp_path / "broken" / "record.json").read_text())["status"] == "interrupted"
    done = run("train", f"resume={tmp_path}/broken")
    assert done.returncode == 0, done.stderr
    assert same(tensors(tmp_path / "whole"), tensors(tmp_path / "broken"))


def test_a_sweep_runs_each_job_in_a_process_of_its_own_and_checks_all_before_the_first(tmp_path):
    lists = ["optimizer.lr=0.1,0.01", f"runs_dir={tmp_path}"]
    short = on_top(TINY, ["trainer.max_epochs=1", "data.source.train=32"])
    wrong = run("train", "-m", *short, *lists, "model.label_smoothing=0.1,1.5")
    assert wrong.returncode == 2
    assert "model.label_smoothing" in wrong.stderr
    assert not list(tmp_path.glob("sweeps/*/"))
    done = run("train", "-m", *short, *lists)
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.splitlines()[-1])
    records = [json.loads(path.read_text()) for path in folder.glob("*/record.json")]
    assert [record["status"] for record in records] == ["finished"] * 2
    assert not (ROOT / "multirun.yaml").exists()
    rates = {path.parent.name: path.read_text() for path in folder.glob("*/config.yaml")}
    assert sorted("lr: 0.01" in text for text in rates.values()) == [False, True]


def test_two_processes_share_one_directory_and_count_every_sample_once(tmp_path):
    """Also where layers begin to learn in the second epoch, which both processes must then average."""
    options = ("trainer=ddp_cpu", "data.batch_size=8", "augment=none", "data.source.test=51")
    options += ("model.trainable={0: head, 1: all}",)
    for name, overrides in (("two", options), ("one", (*options[2:], "data.batch_size=16"))):
        done = subprocess.run(
            train(*overrides, f"run_dir={tmp_path}/{name}"), cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two"))
    assert two == pytest.approx(one, abs=1e-5)


def test_wandb_without_a_key_is_offline_and_never_asks(tmp_path):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")}
    environment |= {"HOME": str(tmp_path), "NETRC": str(tmp_path / "none"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        train("logger=wandb", "trainer.max_epochs=1", f"run_dir={tmp_path}/run"),
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert list((tmp_path / "run" / "wandb").glob(f"offline-run-*-{record['wandb_id']}"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("model=resnt",), ["resnet"]),
        (("resume=/nowhere/at/all",), ["no run directory"]),
    ],
    ids=["unknown model", "no run"],
)
def test_wrong_input_ends_with_code_2_and_no_traceback(arguments, words):
    done = run("train", *arguments)
    assert done.returncode == 2
    assert all(word in done.stderr for word in words)
    assert "Traceback" not in done.stderr


def test_missing_data_end_with_code_2_and_no_traceback(tmp_path):
    done = run("train", "data=folder", f"data.root={tmp_path}/none", "logger=csv", f"runs_dir={tmp_path}")
    assert done.returncode == 2
    assert f"data.root={tmp_path}/none" in done.stderr
    assert "Traceback" not in done.stderr
