"""Metrics that go on to count where a checkpoint stopped."""

from __future__ import annotations

import logging

import torch
from torchmetrics import MeanMetric, MetricCollection, SumMetric

from src.metrics.states import restore_states, saved_states


def test_counting_goes_on_and_what_was_counted_otherwise_begins_anew(caplog):
    before = MetricCollection({"loss": MeanMetric(), "gone": SumMetric(), "right": SumMetric()})
    before.update(torch.tensor([1.0, 2.0]))
    now = MetricCollection({"loss": MeanMetric(), "right": MeanMetric()})
    with caplog.at_level(logging.WARNING):
        restore_states(now, saved_states(before))
    now.update(torch.tensor([6.0]))
    assert now.compute() == {"loss": 3.0, "right": 6.0}  # (1 + 2 + 6) / 3, and the 6 alone
    assert "gone, right" in caplog.text
