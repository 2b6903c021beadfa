"""Trainings small enough for tests, run in this process through the recipe that the command uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pytorch_lightning import Callback

from src.config.command import compose
from src.runs import session, training

TINY = (
    *(
        "model=lenet",
        "optimizer=sgd",
        "data.source.size=32",
        "data.source.train=160",
        "data.source.val=48",
        "data.source.test=50",
    ),
    *("data.batch_size=16", "data.num_workers=0", "trainer.max_epochs=2", "trainer.accelerator=cpu"),
    *("trainer.log_every_n_steps=4", "threads=1", "logger=csv", "augment=light"),
)


def train(run_dir: Path, *overrides: str) -> Path:
    """Train what the overrides say, on top of `TINY`, in `run_dir`."""
    session.start(compose("train", [*on_top(TINY, overrides), f"run_dir={run_dir}"]))
    return run_dir


def on_top(base: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Return the overrides with each key once, the later one's value."""
    return [f"{key}={value}" for key, value in dict(item.split("=", 1) for item in [*base, *overrides]).items()]


def resume(run_dir: Path, overrides: Sequence[str] = ()) -> Path:
    """Continue a run."""
    session.continue_run(str(run_dir), tuple(overrides), run_dir.parent)
    return run_dir


class Killed(BaseException):
    """Stands for SIGKILL: nothing is saved any more. `make prove` sends real ones."""


class Kill(Callback):
    def __init__(self, batch: int) -> None:
        self.batch = batch

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.fit_loop.total_batch_idx == self.batch:
            raise Killed


def killed(monkeypatch, run_dir: Path, batch: int, *overrides: str) -> None:
    """Start a run that dies before training batch `batch`, counted from 0 over all epochs."""
    original = training.build_callbacks
    with monkeypatch.context() as patch:
        patch.setattr(training, "build_callbacks", lambda config: [*original(config), Kill(batch)])
        with pytest.raises(Killed):
            train(run_dir, "callbacks.last.every_n_train_steps=2", *overrides)
