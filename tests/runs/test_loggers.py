"""Every logger goes through every command that opens a run."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import wandb

from src.config import saved
from src.config.command import compose
from src.errors import UserError
from src.evaluate import evaluate
from src.explain import explain
from src.lr_find import lr_find
from src.predict import predict
from src.summary import summary
from src.train import train as train_command
from tests.training import TINY, on_top, train

CHOICES = ("csv", "tensorboard", "[tensorboard,wandb]")
SAME = {"default": "wandb", "none": "csv", "[csv,wandb]": "wandb"}
SMALL = ("data.source.train=32", "data.source.val=16", "data.source.test=16", "trainer.max_epochs=1")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No account, and nothing that W&B would take from the machine."""
    for name in [name for name in os.environ if name.startswith("WANDB")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", "/nowhere")
    monkeypatch.setenv("WANDB_MODE", "offline")


def do(task, command: str, *typed: str) -> None:
    """Run a command in this process, as if in one of its own: W&B keeps one run open until the process ends."""
    wandb.finish()
    with contextlib.suppress(SystemExit):
        task(compose(command, list(typed)))
    wandb.finish()


@pytest.mark.parametrize("choice", CHOICES)
def test_each_logger_goes_through_each_command(choice, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = train(tmp_path / "run", *SMALL, f"logger={choice}")
    record = json.loads((run / "record.json").read_text())
    watched = "wandb" in choice
    runs = list((run / "wandb").glob(f"offline-run-*-{record['wandb_id']}"))
    assert bool(runs) == watched
    assert bool(list((run / "tensorboard").glob("events*"))) == ("tensorboard" in choice)
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((40, 40, 3), np.uint8))

    do(evaluate, "evaluate", f"run={run}")
    do(predict, "predict", f"run={run}", "input=photo.png", "device=cpu")
    do(explain, "explain", f"run={run}", "method=gradcam", "split=test", "method.limit=1", "device=cpu")
    do(summary, "summary", f"run={run}")
    do(train_command, "train", f"replay={run}", f"run_dir={tmp_path}/again")
    do(train_command, "train", f"resume={run}", "trainer.max_epochs=2")
    short = [text for text in TINY if not text.startswith(("logger", "trainer.max_epochs", "trainer.log"))]
    do(lr_find, "lr_find", *on_top(short, ["steps=10", "data.source.train=32"]))
    assert (run / "evaluation-test.json").exists()
    assert (tmp_path / "predictions.csv").exists()
    assert (run / "explain" / "gradcam" / "explanation.json").exists()
    assert (tmp_path / "lr_find.html").exists()
    assert json.loads((tmp_path / "again" / "replay.json").read_text())["identical"]
    assert len((run / "metrics.csv").read_text().splitlines()) > 2
    if watched:  # explained and continued under the same id
        found = list((run / "wandb").glob(f"offline-run-*-{record['wandb_id']}"))
        assert len(found) >= 2
        assert any(list(path.glob("files/media/images/explain/*")) for path in found)


@pytest.mark.parametrize(("choice", "other"), SAME.items())
def test_choices_of_other_names_are_the_same_loggers(choice, other):
    one, two = (saved.plain(compose("train", [f"logger={name}"]).config)["logger"] for name in (choice, other))
    assert one == two


def test_a_job_of_a_sweep_is_explained_in_its_own_group(tmp_path):
    run = train(tmp_path / "job", *SMALL, "logger=wandb")
    (run / "job.json").write_text(json.dumps({"sweep": "lr", "swept": {}, "overrides": []}))
    do(explain, "explain", f"run={run}", "method=filters")
    assert len(list((run / "wandb").glob("offline-run-*"))) == 2


def test_a_mode_that_wandb_does_not_know_is_told(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "sometimes")
    with pytest.raises(UserError, match="WANDB_MODE=sometimes"):
        train(tmp_path / "run", *SMALL, "logger=wandb")
