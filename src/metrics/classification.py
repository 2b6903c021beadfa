"""Metrics of classifiers: one label per image, or several."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MultilabelAccuracy,
    MultilabelAveragePrecision,
    MultilabelF1Score,
)


class MeanLoss(Metric):
    """The mean loss over samples, whatever the batches: sum of (batch mean x its weight) / sum of the weights.

    The weight of a batch is what its own mean was divided by: its size, or the sum of its samples' class weights.
    """

    full_state_update = False
    total: Tensor
    samples: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("samples", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, loss: Tensor, size: int | Sequence[int] | Tensor) -> None:
        """Add a batch of weight `size` whose mean loss is `loss` (both scalars), or several: (N,) with N weights.

        Several are added one after another: the sum is the same to the bit however batches come together.
        """
        weights = [size] if isinstance(size, int) else size.double().reshape(-1) if isinstance(size, Tensor) else size
        for mean, weight in zip(loss.double().reshape(-1), weights, strict=True):
            self.total += mean * weight
            self.samples += weight

    def compute(self) -> Tensor:
        """Return the mean over all samples seen."""
        return (self.total / self.samples).float()


def label_metrics(num_classes: int, *, multilabel: bool) -> MetricCollection:
    """Return the metrics of predicted scores (B, K) against labels (B,), or (B, K) of zeros and ones where several.

    One label: `loss`, `accuracy`, `balanced_accuracy` (mean recall of the classes), `f1` (mean over the classes) and,
    from six classes on, `top5_accuracy`. Several: `loss`, `accuracy` (share of right decisions), `f1`,
    `average_precision`, each a mean over the classes.

    Which metrics share their counts is said here: torchmetrics would find it out from the first batch, and join top-1
    and top-5 for good where both have that batch right.
    """
    if multilabel:
        several: dict[str, Metric | MetricCollection] = {
            "loss": MeanLoss(),
            "accuracy": MultilabelAccuracy(num_classes, validate_args=False),
            "f1": MultilabelF1Score(num_classes, validate_args=False),
            "average_precision": MultilabelAveragePrecision(num_classes, validate_args=False, thresholds=200),
        }
        return MetricCollection(several, compute_groups=[["loss"], ["accuracy", "f1"], ["average_precision"]])
    metrics: dict[str, Metric | MetricCollection] = {
        "loss": MeanLoss(),
        "accuracy": MulticlassAccuracy(num_classes, average="micro", validate_args=False),
        "balanced_accuracy": MulticlassAccuracy(num_classes, average="macro", validate_args=False),
        "f1": MulticlassF1Score(num_classes, average="macro", validate_args=False),
    }
    groups = [["loss"], ["accuracy"], ["balanced_accuracy", "f1"]]
    if num_classes > 5:
        metrics["top5_accuracy"] = MulticlassAccuracy(num_classes, average="micro", top_k=5, validate_args=False)
        groups.append(["top5_accuracy"])
    return MetricCollection(metrics, compute_groups=groups)
