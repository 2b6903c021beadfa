"""The promises of a run: the same bits however it was run, and a directory that can be used anywhere."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import cv2
import pytest
import torch
from safetensors.torch import load_file

from src.config.build import build
from src.errors import UserError
from src.runs import session
from tests.prove.promise import same, tensors
from tests.training import killed, resume, train

VARIANTS = {
    "plain": (),
    "accumulation": ("trainer.accumulate_grad_batches=3",),
    "validation inside an epoch": ("trainer.val_check_interval=0.3",),
    "both": ("trainer.val_check_interval=0.4", "trainer.accumulate_grad_batches=2"),
    "EMA": ("callbacks=[default,ema]", "callbacks.ema.decay=0.9"),
    "mixup and cutmix": ("augment.mixup=0.4", "augment.cutmix=1.0"),
    "plateau": ("scheduler=plateau", "scheduler.patience=0", "scheduler.factor=0.5", "trainer.max_epochs=4"),
    "early stopping": (
        "callbacks=[default,early_stopping]",
        "callbacks.early_stopping.patience=1",
        "trainer.max_epochs=6",
    ),
    "one cycle and AdamW": ("scheduler=onecycle", "optimizer=adamw"),
    "a plan that unfreezes": ("model.trainable={0: head, 1: classifier.1, 2: all}", "trainer.max_epochs=3"),
    "rates by depth and AdamW": ("model.layer_lr_decay=0.5", "optimizer=adamw", "optimizer.weight_decay=0.1"),
    "dropout": ("model=squeezenet", "data.source.train=64"),
}


NOTHING_ELSE = {"pictures": None, "anchor": None, "gallery": None}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    return train(tmp_path_factory.mktemp("finished") / "run")


def test_a_run_directory_holds_what_is_promised(finished):
    names = {str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()}
    promised = {
        "config.yaml", "compose.yaml", "record.json", "metrics.csv", "metrics.json", "checkpoints/best.ckpt",
        "checkpoints/last.ckpt", "weights.safetensors", "report.html", "data.json", "code.json", "samples.txt.gz",
        "answers-test.npz",
    }  # fmt: skip
    assert promised <= names
    record = json.loads((finished / "record.json").read_text())
    assert record["status"] == "finished"
    assert {
        "seed",
        "code",
        "data_digest",
        "versions",
        "hardware",
        "start",
        "end",
        "seconds",
        "command",
    } <= record.keys()
    metrics = json.loads((finished / "metrics.json").read_text())
    assert {"val/accuracy", "val/loss", "test/accuracy", "test/loss", "train/loss"} <= metrics.keys()


def test_metrics_csv_has_a_row_per_epoch_and_logged_step(finished):
    rows = list(csv.DictReader((finished / "metrics.csv").open()))
    assert [(row["step"], row["epoch"]) for row in rows if row["train/loss"]] == [("10", "0"), ("20", "1")]
    assert [row["step"] for row in rows if row["train/loss_step"]] == ["4", "8", "12", "16", "20"]


def test_weights_have_the_names_of_the_bare_network(finished):
    assert set(load_file(finished / "weights.safetensors")) == {
        key.removeprefix("network.") for key in torch.load(finished / "checkpoints" / "best.ckpt")["state_dict"]
    }


def test_the_same_run_twice_and_with_workers_has_the_same_bits(finished, tmp_path):
    again = train(tmp_path / "again", "data.num_workers=2")
    assert same(tensors(finished), tensors(again))


def test_another_seed_has_other_bits(finished, tmp_path):
    assert not same(tensors(finished)["weights"], tensors(train(tmp_path / "other", "seed=1"))["weights"])


@pytest.mark.parametrize("overrides", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_killed_and_resumed_run_equals_an_undisturbed_one(overrides, tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", "callbacks.last.every_n_train_steps=2", *overrides)
    broken = tmp_path / "broken"
    killed(monkeypatch, broken, 5 if "model=squeezenet" in overrides else 13, *overrides)
    assert (broken / "checkpoints" / "last.ckpt").exists()
    resume(broken)
    assert same(tensors(whole), tensors(broken))


@pytest.mark.parametrize("batch", [10, 13])
def test_a_training_by_steps_killed_between_epochs_or_inside_one_equals_an_undisturbed_one(
    batch, tmp_path, monkeypatch
):
    by_steps = ("trainer.max_epochs=-1", "trainer.max_steps=16")  # ten batches an epoch
    whole = train(tmp_path / "whole", "callbacks.last.every_n_train_steps=2", *by_steps)
    killed(monkeypatch, tmp_path / "broken", batch, *by_steps)
    resume(tmp_path / "broken")
    assert same(tensors(whole), tensors(tmp_path / "broken"))


def test_a_run_killed_before_its_first_checkpoint_starts_again(finished, tmp_path, monkeypatch, capsys):
    broken = tmp_path / "broken"
    killed(monkeypatch, broken, 1)
    assert not (broken / "checkpoints").exists()
    resume(broken)
    assert "starting again at step 0" in capsys.readouterr().err
    assert same(tensors(finished)["weights"], tensors(broken)["weights"])


def test_resume_refuses_what_would_change_the_result(finished):
    with pytest.raises(UserError, match=r"optimizer\.lr=1 would change its result"):
        resume(finished, ["optimizer.lr=1"])


def test_resume_trains_further_with_more_epochs(tmp_path):
    run = train(tmp_path / "run", "trainer.max_epochs=1", "scheduler=constant")
    resume(run, ["trainer.max_epochs=2"])
    whole = train(tmp_path / "whole", "trainer.max_epochs=2", "scheduler=constant")
    assert same(tensors(run)["weights"], tensors(whole)["weights"])


def test_a_moved_run_evaluates_to_the_same_figures(finished, tmp_path):
    from src.runs.evaluation import evaluate

    moved = shutil.copytree(finished, tmp_path / "elsewhere" / "run")
    run, config = session.reopen(str(moved), ())
    found = evaluate(config, run, split="test", checkpoint="best", output=None)
    figures, path = found.figures, found.path
    trained = json.loads((finished / "metrics.json").read_text())
    assert figures == {key: value for key, value in trained.items() if key.startswith("test/")}
    assert json.loads(path.read_text())["test/accuracy"] == trained["test/accuracy"]


def test_predict_finds_the_classes_that_the_test_found(finished, tmp_path):
    from src.runs.prediction import predict

    run, config = session.reopen(str(finished), ())
    source = build(config["data"]["source"])
    source.setup()
    test = source.splits()["test"]
    for index in test:
        cv2.imwrite(str(tmp_path / f"{index:04d}.png"), source.read(int(index))["image"][..., ::-1])
    tables = []
    for batch in (50, 7):
        options = {"checkpoint": "best", "batch_size": batch, "num_workers": 0, "device": "cpu"} | NOTHING_ELSE
        rows, path = predict(config, run, source=str(tmp_path), output=str(tmp_path / "out.csv"), **options)
        assert path.exists()
        tables.append(rows)
    right = sum(row["class"] == source.classes[source.labels()[i]] for row, i in zip(tables[0], test, strict=True))
    accuracy = json.loads((finished / "metrics.json").read_text())["test/accuracy"]
    undecided = sum(margin(row) < 1e-4 for row in tables[0])  # a batch of another size may turn these
    assert abs(right / 50 - accuracy) <= undecided / 50 + 1e-6
    for one, other in zip(*tables, strict=True):
        assert one["class"] == other["class"] or margin(one) < 1e-4
        assert all(one[key] == pytest.approx(other[key], abs=1e-4) for key in one if key.startswith("p("))


def margin(row: dict[str, str | float]) -> float:
    """Return how far the most probable class is ahead of the second."""
    second, first = sorted(float(value) for key, value in row.items() if key.startswith("p("))[-2:]
    return first - second


def test_predict_names_files_that_cannot_be_read_and_goes_on(finished, tmp_path, capsys):
    from src.runs.prediction import predict

    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n half")
    cv2.imwrite(str(tmp_path / "good.png"), torch.zeros(40, 30, 3, dtype=torch.uint8).numpy())
    run, config = session.reopen(str(finished), ())
    options = {"checkpoint": "best", "batch_size": 8, "num_workers": 0, "device": "cpu"} | NOTHING_ELSE
    rows, _ = predict(config, run, source=str(tmp_path / "*.png"), output=str(tmp_path / "out.json"), **options)
    assert [Path(row["path"]).name for row in rows] == ["good.png"]
    assert "broken.png is truncated" in capsys.readouterr().err
    with pytest.raises(UserError, match="no file"):
        predict(config, run, source=str(tmp_path / "none.png"), output=str(tmp_path / "out.csv"), **options)


def test_the_checkpoint_of_another_network_is_a_message(finished, tmp_path):
    from src.runs.evaluation import evaluate

    other = shutil.copytree(finished, tmp_path / "run")
    run, config = session.reopen(str(other), ("model=squeezenet",))
    with pytest.raises(UserError, match="belong to another network"):
        evaluate(config, run, split="test", checkpoint="best", output=None)


def test_a_run_without_checkpoints_is_a_message(finished, tmp_path):
    from src.runs.evaluation import evaluate

    empty = shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(empty / "checkpoints")
    (empty / "weights.safetensors").unlink()
    run, config = session.reopen(str(empty), ())
    with pytest.raises(UserError, match="no checkpoint"):
        evaluate(config, run, split="test", checkpoint="best", output=None)


def test_training_on_everything_keeps_the_last_weights(tmp_path):
    run = train(tmp_path / "run", "callbacks=none", "trainer.max_epochs=1")
    assert (run / "weights.safetensors").exists()
    assert "test/accuracy" in json.loads((run / "metrics.json").read_text())
