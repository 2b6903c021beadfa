"""What a training needs is told before its first step, and a training by steps needs no epochs."""

from __future__ import annotations

import csv

import pytest

from src.errors import UserError
from tests.training import train

SMALL = ("model=resnet", "network.depth=10", "network.layers=[1,1,1,1]", "network.stem=imagenet", "data.image_size=32")


def rows_of(run):
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("schedule", "epochs"),
    [("cosine", "-1"), ("constant", "null"), ("step", "-1"), ("onecycle", "-1"), ("plateau", "-1")],
)
def test_a_training_by_steps_needs_no_epochs(tmp_path, schedule, epochs):
    typed = (f"trainer.max_epochs={epochs}", "trainer.max_steps=6", f"scheduler={schedule}", "data.source.train=64")
    rows = rows_of(train(tmp_path / "run", *typed, "trainer.log_every_n_steps=1", "test=false"))
    rates = {int(row["step"]): float(row["lr"]) for row in rows if row["lr"]}
    assert max(rates) == 6  # steps, of four in each epoch
    last = {"cosine": 0, "constant": 0.02, "step": 0.0002, "onecycle": 0.02e-4, "plateau": 0.02}[schedule]
    assert rates[6] == pytest.approx(last, abs=1e-9)


def test_a_training_by_time_has_a_constant_rate(tmp_path):
    typed = ("trainer.max_epochs=-1", "trainer.max_time=00:00:00:01", "data.source.train=32", "test=false")
    rows = rows_of(train(tmp_path / "run", *typed, "scheduler=constant"))
    assert float(rows[-1]["lr"]) == 0.02
    with pytest.raises(UserError, match=r"scheduler=cosine needs the training's length.*constant or plateau"):
        train(tmp_path / "other", *typed)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ([*SMALL, "data.batch_size=1"], "data.batch_size=1: .*layer4.0.bn1 sees a map of 1x1.*type data.batch_size=2"),
        ([*SMALL, "data.limit=1"], "1 training image: .*layer4.0.bn1.*train on more images"),
        (["trainer.val_check_interval=100"], "must be less than or equal to the number of the training batches"),
        (["callbacks=[default,early_stopping]", "callbacks.early_stopping.monitor=val/average_precision"],
         "callbacks.early_stopping.monitor=val/average_precision: no such metric of these data"),
    ],
)  # fmt: skip
def test_what_cannot_come_to_its_end_is_refused_before_its_first_step(tmp_path, typed, words):
    with pytest.raises(UserError, match=words):
        train(tmp_path / "run", *typed)


def test_a_training_that_ends_before_its_first_validation_says_so(tmp_path):
    run = train(tmp_path / "run", "trainer.max_steps=3", "data.source.train=64", "test=false")
    told = "trainer.max_steps=3 is before the first validation, after 4 batches: the last weights are kept"
    assert told in (run / "log.txt").read_text()
    with pytest.raises(UserError, match=r"before the first validation, after .*, which finds the threshold"):
        train(tmp_path / "faces", "model=siamese", "network=lenet", "trainer.max_steps=1", "data.batch_size=16")


def test_batches_of_one_are_learned_from_where_maps_have_several_places(tmp_path):
    """Over 2x2 places a batch normalisation has four values of one image."""
    run = train(tmp_path / "run", *SMALL, "data.image_size=64", "data.batch_size=1", "data.limit=2", "test=false")
    assert [row["step"] for row in rows_of(run) if row["train/loss"]] == ["2", "4"]
