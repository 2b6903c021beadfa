"""What a person sees of a training without a terminal."""

from __future__ import annotations

import csv
import json

import pytest

from src.callbacks import progress
from src.progress import Advance
from tests.training import resume, train

LINES = ("trainer.log_every_n_steps=1", "test=false", "data.source.train=64")


def lines(run, start):
    """Return the lines of a run's log that begin so."""
    texts = [line.partition(": ")[2] for line in (run / "log.txt").read_text().splitlines()]
    return [text for text in texts if text.startswith(start)]


def test_an_epoch_without_a_validation_shows_no_figures_of_an_earlier_one(tmp_path):
    run = train(tmp_path / "run", *LINES, "trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2")
    first, second, third = lines(run, "epoch ")
    assert "val/loss" in second
    assert "val/accuracy" in second
    for line in (first, third):
        assert "train/loss" in line
        assert "val/" not in line


def test_the_first_line_of_training_comes_within_the_first_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "FIRST", 0.001)
    run = train(tmp_path / "run", *LINES)
    assert lines(run, "trying a validation: ")
    begun = lines(run, "epoch 1/2: ")
    assert begun[0].startswith("epoch 1/2: 0 of 4 batches")
    assert len(begun) == 1  # what was begun is told to its end by the line of the epoch
    assert lines(run, "epoch 1/2  train/loss")


def test_a_training_by_steps_tells_the_time_left(tmp_path):
    run = train(tmp_path / "run", *LINES, "trainer.max_epochs=-1", "trainer.max_steps=8")
    first, second = lines(run, "epoch ")
    assert first.startswith("epoch 1  train/loss")
    assert first.endswith(" left")
    assert second.endswith("0:00 left")


def test_a_continued_run_counts_from_where_it_stood(tmp_path):
    run = train(tmp_path / "run", *LINES, "trainer.max_epochs=1")
    resume(run, ["trainer.max_epochs=2"])
    assert lines(run, "epoch 2/2  ")[0].endswith("0:00 left")


def test_what_is_gone_by_and_which_way_is_told(tmp_path):
    typed = (
        "model.monitor=val/loss",
        "callbacks=[default,early_stopping]",
        "callbacks.early_stopping.monitor=train/f1",
    )
    run = train(tmp_path / "run", *LINES, *typed, "data.batch_size=100", "trainer.max_epochs=1")
    told = lines(run, "the best weights are")
    assert told == [
        "the best weights are those of the lowest val/loss; callbacks.early_stopping goes by the highest train/f1"
    ]
    assert lines(run, "data.batch_size=100 is more than there are to train on")


def test_the_lowest_loss_is_kept_when_the_loss_is_monitored(tmp_path):
    run = train(
        tmp_path / "run",
        *LINES,
        "model.monitor=val/loss",
        "trainer.max_epochs=4",
        "scheduler=constant",
        "optimizer.lr=0.3",
    )
    with (run / "metrics.csv").open() as file:
        losses = [float(row["val/loss"]) for row in csv.DictReader(file) if row["val/loss"]]
    assert json.loads((run / "metrics.json").read_text())["val/loss"] == pytest.approx(min(losses), rel=1e-5)
    assert min(losses) < max(losses)


def test_every_epoch_counts_its_own_batches(tmp_path, monkeypatch):
    counted = []

    class Told(Advance):
        def leave(self):
            counted.append((self._earlier, self.done, self.total))
            super().leave()

    monkeypatch.setattr(progress, "Advance", Told)
    train(tmp_path / "run", "trainer.max_epochs=3")
    assert counted == [(0, 10, 10)] * 3
