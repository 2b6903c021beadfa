"""`debug=profile`: the parts of a step add up to its time, and the table lies in the run directory."""

from __future__ import annotations

import json
import time

import pytest
from pytorch_lightning import Callback

from src.runs import training
from src.runs.profile import FRAMEWORK, PARTS, StepProfiler, part_of
from tests.training import train


@pytest.fixture
def clock(monkeypatch):
    """A clock that says what it is told."""
    now = [0.0]
    monkeypatch.setattr(StepProfiler, "_now", staticmethod(lambda: now[0]))
    return now


def test_each_moment_counts_for_the_innermost_action(clock):
    profiler = StepProfiler(warm_up=0)
    fetch, whole, step = "[_TrainingEpochLoop].train_dataloader_next", "run_training_batch", "[Strategy]S.training_step"

    def at(second, change, action):
        clock[0] = second
        change(action)

    at(0, profiler.start, "[Callback]Before.on_train_start")
    at(100, profiler.start, fetch)
    at(103, profiler.stop, fetch)
    at(104, profiler.start, whole)
    at(105, profiler.start, "[LightningModule]M.optimizer_step")
    at(106, profiler.start, step)
    at(116, profiler.start, "metrics")
    at(118, profiler.stop, "metrics")
    at(119, profiler.stop, step)
    at(119, profiler.start, "[Strategy]S.backward")
    at(139, profiler.stop, "[Strategy]S.backward")
    at(142, profiler.stop, "[LightningModule]M.optimizer_step")
    at(142, profiler.stop, whole)
    at(143, profiler.start, "[LightningModule]M.on_validation_model_zero_grad")
    at(999, profiler.stop, "[LightningModule]M.on_validation_model_zero_grad")
    assert profiler.seconds == {
        "waiting for data": 3, "host to device": 0, "forward": 11, "backward": 20, "optimizer": 4,
        "logging and metrics": 2, FRAMEWORK: 3,
    }  # fmt: skip
    assert profiler.figures()["milliseconds_per_step"] == 43_000


def test_an_action_without_a_name_of_its_own_belongs_to_the_one_around_it():
    assert part_of("[Strategy]S.something", ["backward"]) == "backward"
    assert part_of("[Strategy]S.something", []) == FRAMEWORK
    assert part_of("[LightningDataModule]D.on_after_batch_transfer", []) == "host to device"


class Clock(Callback):
    """Measures the steps by itself, from the sixth on."""

    def __init__(self):
        self.first = self.last = 0.0

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.last = time.perf_counter()
        if batch_idx == 4:
            self.first = self.last


def test_the_parts_add_up_to_the_time_of_the_steps(tmp_path, monkeypatch, capsys):
    original, clock = training.build_callbacks, Clock()
    monkeypatch.setattr(training, "build_callbacks", lambda config: [*original(config), clock])
    run = train(tmp_path / "run", "debug=profile", "data.source.train=480", "trainer.max_epochs=1")
    found = json.loads((run / "profile.json").read_text())
    assert (found["steps"], found["left_out"]) == (25, 5)
    assert set(found["parts"]) == {*PARTS, FRAMEWORK}
    whole = sum(part["milliseconds"] for part in found["parts"].values())
    assert whole == pytest.approx(found["milliseconds_per_step"])
    assert sum(part["share"] for part in found["parts"].values()) == pytest.approx(1)
    assert whole * 25 == pytest.approx((clock.last - clock.first) * 1e3, rel=0.1)
    assert all(found["parts"][name]["milliseconds"] > 0 for name in PARTS)
    assert (run / "profile.txt").read_text().strip() in capsys.readouterr().err
