"""The average of the weights, against the recursion worked out in numpy."""

from __future__ import annotations

import numpy as np
import pytest
from pytorch_lightning import Callback
from safetensors.numpy import load_file

from src.callbacks.ema import EMA
from src.runs import training
from tests.training import train

EIGHT = ("callbacks=[default,ema]", "data.source.train=64", "test=false", "trainer.limit_val_batches=0")


class Weights(Callback):
    """Keeps the weights after every step."""

    def __init__(self) -> None:
        self.seen: list[dict[str, np.ndarray]] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen.append(
            {name: value.detach().double().numpy().copy() for name, value in pl_module.network.named_parameters()}
        )


def averaged(monkeypatch, run_dir, *overrides):
    """Train eight steps; return the weights after each of them, and those that were kept."""
    weights, original = Weights(), training.build_callbacks
    monkeypatch.setattr(training, "build_callbacks", lambda config: [weights, *original(config)])
    train(run_dir, *EIGHT, *overrides)
    return weights.seen, load_file(run_dir / "weights.safetensors")


def test_the_decay_grows_with_the_updates_up_to_what_is_typed():
    average = EMA(decay=0.9)
    found = [average.decay_after(updates) for updates in (1, 2, 8, 79, 80, 81, 10_000)]
    assert found == pytest.approx([2 / 11, 3 / 12, 9 / 18, 80 / 89, 0.9, 0.9, 0.9])
    assert [EMA(decay=0.9, warmup=False).decay_after(updates) for updates in (1, 100)] == [0.9, 0.9]


@pytest.mark.parametrize("warmup", ["true", "false"])
def test_the_average_is_that_of_the_recursion(tmp_path, monkeypatch, warmup):
    seen, kept = averaged(monkeypatch, tmp_path / "run", f"callbacks.ema.warmup={warmup}", "callbacks.ema.decay=0.6")
    assert len(seen) == 8
    for name, last in seen[-1].items():
        expected = seen[0][name]
        for updates, current in enumerate(seen[1:], start=1):
            decay = min(0.6, (1 + updates) / (10 + updates)) if warmup == "true" else 0.6
            expected = decay * expected + (1 - decay) * current[name]
        assert kept[name] == pytest.approx(expected, abs=1e-6), name
        assert last.shape == kept[name].shape


def test_a_short_training_ends_near_its_weights_and_not_near_the_first(tmp_path, monkeypatch):
    seen, kept = averaged(monkeypatch, tmp_path / "run")  # a decay of 0.999
    first, last, average = (
        np.concatenate([weights[name].ravel() for name in seen[0]]) for weights in (seen[0], seen[-1], kept)
    )
    assert np.linalg.norm(average - last) < 0.3 * np.linalg.norm(first - last)


def test_an_average_that_would_hold_much_of_the_first_weights_is_told(tmp_path):
    train(tmp_path / "run", *EIGHT, "callbacks.ema.warmup=false")
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "after 8 steps the average will hold 99 % of the weights after the first one" in log
    assert "callbacks.ema.warmup=true" in log
    train(tmp_path / "other", *EIGHT)
    assert "the average will hold" not in (tmp_path / "other" / "log.txt").read_text()
