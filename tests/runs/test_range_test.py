"""The learning-rate range test."""

from __future__ import annotations

import math

import numpy as np
import pytest

from src.config import saved
from src.config.command import compose
from src.errors import UserError
from src.runs.range_test import before_rise, page, range_test, smoothed, steepest, suggested

SMALL = (
    *("model=lenet", "data.source.size=32", "data.source.train=64", "data.source.val=16", "data.source.test=16"),
    *("data.batch_size=16", "data.num_workers=0", "trainer=cpu", "threads=1", "steps=24"),
)


def tried(tmp_path, *overrides: str):
    return range_test(saved.plain(compose("lr_find", [*SMALL, f"output={tmp_path}/lr.html", *overrides]).config))


def test_the_steepest_fall_of_a_known_curve_is_found():
    """A logistic fall over log10 of the rate is steepest in its middle, and what rises behind it does not count."""
    rates = list(np.geomspace(1e-6, 1, 601))
    falls = [2 - 2 / (1 + math.exp(-4 * (math.log10(rate) + 3))) for rate in rates]
    assert math.log10(steepest(rates, falls)) == pytest.approx(-3, abs=0.05)
    assert steepest(rates, [1.0 + rate for rate in rates]) is None


def test_the_noise_of_batches_is_no_fall():
    """A hundred steps of a loss of 2 with a deviation of 0.05, which is learned from at none, and at one rate."""
    noise = np.random.default_rng(0).normal(0, 0.05, 100)
    rates = np.geomspace(1e-6, 10, 100)
    flat = 2 + noise
    assert steepest(rates, flat) is None
    assert before_rise(rates, flat) is None
    falls = flat - 1 / (1 + np.exp(-4 * (np.log10(rates) + 3)))
    assert math.log10(steepest(rates, falls)) == pytest.approx(-3, abs=0.4)


def test_of_a_loss_that_only_rises_the_rate_is_well_below_its_rise():
    """It has risen by 0.1, two deviations of its noise, at a rate of 0.01."""
    rates = np.geomspace(1e-6, 10, 100)
    rises = 2 + np.random.default_rng(0).normal(0, 0.05, 100) + 10 * rates
    assert steepest(rates, rises) is None
    assert 5e-4 < before_rise(rates, rises) < 1e-2


def test_an_experiment_may_be_tried():
    config = compose("lr_find", ["experiment=imagenette_quick"]).config
    assert config.data.image_size == 64


def test_the_running_mean_of_equal_losses_is_that_loss():
    assert smoothed([3.0] * 5) == pytest.approx([3.0] * 5)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_any_optimizer_has_a_page_and_leaves_nothing_else(tmp_path, monkeypatch, optimizer):
    monkeypatch.chdir(tmp_path)
    found, path = tried(tmp_path, f"optimizer={optimizer}", "model.layer_lr_decay=0.7")
    assert "<svg" in path.read_text()
    assert 20 <= len(found.losses) <= 24
    assert [file.name for file in tmp_path.iterdir()] == ["lr.html"]


def test_the_page_has_the_override_to_paste_and_says_why():
    rates = [float(rate) for rate in np.geomspace(1e-6, 1, 601)]
    falls = suggested(rates, [2 - 2 / (1 + math.exp(-4 * (math.log10(rate) + 3))) for rate in rates])
    assert f"optimizer.lr={falls.suggestion:.2g}" in page(falls)
    rises = suggested(rates, [1.0 + 10 * rate for rate in rates])
    assert "fell nowhere" in page(rises)
    flat = suggested(rates, (2 + np.random.default_rng(0).normal(0, 0.05, 601)).tolist())
    assert flat.suggestion is None
    assert "optimizer.lr" not in page(flat)


def test_a_range_test_has_a_range_and_one_process(tmp_path):
    with pytest.raises(UserError, match="grow from the lowest"):
        tried(tmp_path, "lowest=1", "highest=0.1")
    with pytest.raises(UserError, match="one process"):
        tried(tmp_path, "trainer.devices=2")
    with pytest.raises(UserError, match=r"type output=.*x\.html"):
        range_test(saved.plain(compose("lr_find", [*SMALL, f"output={tmp_path}/x.png"]).config))
