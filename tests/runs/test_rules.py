"""What a run refuses, and what it does where something is left out."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file

from src.config import saved
from src.config.command import compose
from src.errors import UserError
from tests.prove.promise import same, tensors
from tests.training import TINY, on_top, resume, train


def test_without_a_test_the_best_weights_are_kept_all_the_same(tmp_path):
    run = train(tmp_path / "run", "test=false", "trainer.max_epochs=4", "optimizer.lr=0.5")
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    kept = load_file(run / "weights.safetensors")
    assert all(torch.equal(best[f"network.{key}"], value) for key, value in kept.items())
    figures = json.loads((run / "metrics.json").read_text())
    assert not [key for key in figures if key.startswith("test/")]


def test_a_plateau_sees_each_validation_once_also_after_a_resume(tmp_path):
    options = ("scheduler=plateau", "scheduler.patience=0", "trainer.check_val_every_n_epoch=2", "optimizer.lr=0.001")
    whole = train(tmp_path / "whole", *options, "trainer.max_epochs=6")
    part = train(tmp_path / "part", *options, "trainer.max_epochs=3")
    resume(part, ["trainer.max_epochs=6"])
    assert same(tensors(whole), tensors(part))


def test_a_resumed_run_refuses_other_data(tmp_path):
    random = np.random.default_rng(0)
    for root in ("first", "second"):
        for name in "ab":
            (tmp_path / root / name).mkdir(parents=True)
            for i in range(12):
                image = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                cv2.imwrite(str(tmp_path / root / name / f"{i}.png"), image)
    options = [o for o in TINY if not o.startswith("data.source")]
    from src.runs import session

    typed = [*options, "data=folder", f"data.root={tmp_path}/first", "data.image_size=32", f"run_dir={tmp_path}/run"]
    session.start(compose("train", on_top(typed, ["data.batch_size=4"])))
    with pytest.raises(UserError, match="not the data that"):
        resume(tmp_path / "run", [f"data.root={tmp_path}/second", "trainer.max_epochs=3"])
    shutil.move(tmp_path / "first", tmp_path / "moved")
    resume(tmp_path / "run", [f"data.root={tmp_path}/moved", "trainer.max_epochs=3"])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model.monitor=val/acc"], r"did you mean val/accuracy"),
        (["trainer.limit_val_batches=0", "scheduler=plateau"], "nothing is validated"),
        (["trainer.limit_val_batches=0", "callbacks=[default,early_stopping]"], "nothing is validated"),
        (["trainer.max_epochs=-1"], "needs the training's length"),
        (["data.normalize={mean: [0.5,0.5,0.5], std: [0.0,1.0,1.0]}"], "greater than 0"),
    ],
)
def test_what_can_never_work_is_refused_before_training(overrides, words, tmp_path):
    with pytest.raises(UserError, match=words):
        train(tmp_path / "run", *overrides)


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_every_precision_of_the_cpu_trains_and_tests(precision, tmp_path):
    run = train(tmp_path / "run", f"trainer.precision={precision}", "trainer.max_epochs=1", "callbacks=[default]")
    assert "test/accuracy" in json.loads((run / "metrics.json").read_text())


@pytest.mark.parametrize("preset", ["step", "overfit", "limit", "nan", "profile"])
def test_the_debug_presets_run(preset, tmp_path):
    typed = [o for o in TINY if not o.startswith(("trainer.max_epochs", "augment", "optimizer"))]
    from src.runs import session

    short = ["trainer.max_epochs=2"] if preset == "overfit" else []
    session.start(compose("train", [*typed, *short, f"debug={preset}", f"run_dir={tmp_path}/run"]))
    rows = (tmp_path / "run" / "metrics.csv").read_text()
    assert "val/loss" in rows


def test_overfitting_one_batch_drives_the_loss_towards_zero(tmp_path):
    from src.runs import session

    typed = [o for o in TINY if not o.startswith(("trainer.max_epochs", "augment", "optimizer"))]
    options = ["debug=overfit", "trainer.max_epochs=60", "optimizer=adamw", "optimizer.lr=0.005"]
    session.start(compose("train", [*typed, *options, f"run_dir={tmp_path}/run"]))
    checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    history = next(value for key, value in checkpoint["callbacks"].items() if "History" in key)["rows"]
    assert history[-1]["train/loss"] < 0.05


def test_a_run_directory_may_not_say_what_it_is_trusted_with(tmp_path):
    path = tmp_path / "compose.yaml"
    composed = compose("train", ["allowed_packages=[subprocess]"])
    saved.save(composed, tmp_path / "config.yaml", path)
    assert saved.load(path).config.allowed_packages == []
    stored = OmegaConf.load(path)
    stored.config.callbacks.best._target_ = "subprocess.check_output"
    OmegaConf.save(stored, path)
    with pytest.raises(UserError, match="subprocess"):
        saved.apply(saved.load(path), [])
