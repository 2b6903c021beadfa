"""Metrics of classifiers: one label per image, or several."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.utilities import dim_zero_cat

from src.metrics.average_precision import average_precisions
from src.metrics.extremes import THRESHOLD

log = logging.getLogger(__name__)

FIRST = 5
"""Guesses that `top5_accuracy` allows."""
MOST_SCORES = 2**25
"""Scores that `AveragePrecision` keeps at most in a process: 160 MB with their truth."""


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


def answered(preds: Tensor) -> Tensor:
    """Return the class (B,) with the largest score (B, K), of equals the first; -1 where a score is not a number."""
    return torch.where(preds.isnan().any(-1), -1, preds.argmax(-1))


class LabelCounts(Metric):
    """What is counted of each class (K,), one label per image or `several`.

    Means over classes are over those that images of the split have (scikit-learn's `labels=np.unique(truth)`): of the
    others nothing can be found. Scores that are not numbers answer nothing, which is wrong. Not a number where there is
    nothing to measure.

    torchmetrics' own count makes, under deterministic algorithms, a table of samples by classes squared: 33 GB for a
    thousand classes.
    """

    full_state_update = False
    hits: Tensor
    chosen: Tensor
    support: Tensor
    right: Tensor
    asked: Tensor

    def __init__(self, num_classes: int, *, several: bool) -> None:
        super().__init__()
        self.num_classes, self.several = num_classes, several
        for name in ("hits", "chosen", "support"):
            self.add_state(name, torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")
        for name in ("right", "asked"):
            self.add_state(name, torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add scores (B, K) with labels (B,), or probabilities with zeros and ones (B, K)."""
        classes = torch.arange(self.num_classes, device=preds.device)
        if self.several:
            truth, said = target.bool(), preds > THRESHOLD
            self.right += ((truth == said) & ~preds.isnan()).sum()
            self.asked += truth.numel()
        else:
            answer = answered(preds)
            truth, said = target[:, None] == classes, answer[:, None] == classes
            self.right += (answer == target).sum()
            self.asked += len(target)
        self.hits += (truth & said).sum(0)
        self.chosen += said.sum(0)
        self.support += truth.sum(0)

    def of_present(self, each: Tensor) -> Tensor:
        """Return the mean of the figures (K,) of the classes that images of the split have."""
        return each[self.support > 0].mean().float()


class Accuracy(LabelCounts):
    """The share of right answers, or of right decisions where an image may have several labels."""

    def compute(self) -> Tensor:
        """Return the share."""
        return self.right / self.asked


class BalancedAccuracy(LabelCounts):
    """The mean recall of the classes that images of the split have."""

    def compute(self) -> Tensor:
        """Return the mean."""
        return self.of_present(self.hits.double() / self.support)


class F1(LabelCounts):
    """The mean F1 of the classes that images of the split have; an image taken for another class is missed by its own.

    scikit-learn's default would count a class that is only predicted, once more, as 0.
    """

    absent: Sequence[int] = ()
    """The classes without images, as the last `compute` found."""

    def compute(self) -> Tensor:
        """Return the mean."""
        self.absent = (self.support == 0).nonzero().flatten().tolist()
        return self.of_present(2 * self.hits.double() / (self.chosen + self.support))


class Top5Accuracy(Metric):
    """The share of samples whose class is among the five with the largest scores; of equal scores the first counts."""

    full_state_update = False
    found: Tensor
    samples: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("found", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("samples", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add scores (B, K) and labels (B,)."""
        own = preds.gather(1, target[:, None])
        before = torch.arange(preds.shape[1], device=preds.device) < target[:, None]
        ahead = ((preds > own) | ((preds == own) & before)).sum(1)
        self.found += ((ahead < FIRST) & ~preds.isnan().any(1)).sum()
        self.samples += len(target)

    def compute(self) -> Tensor:
        """Return the share."""
        return self.found / self.samples


class AveragePrecision(Metric):
    """The mean over the classes that images of the split have of their average precision, exact and free of batches.

    Scores are kept to the end, at most `most` numbers in a process: of more, those of every second image, then of every
    fourth, and so on; the log then says so. Not a number where no image has a label, or a score is not a number.
    """

    full_state_update = False
    scores: list[Tensor]
    truth: list[Tensor]
    seen: Tensor
    stride: Tensor

    def __init__(self, most: int = MOST_SCORES) -> None:
        super().__init__()
        self.most = most
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("truth", [], dist_reduce_fx="cat")
        self.add_state("seen", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("stride", torch.ones((), dtype=torch.int64), dist_reduce_fx="max")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add scores (B, K) and zeros and ones (B, K)."""
        truth = target.bool()
        if self._kept() * 2 >= self.most and (stride := int(self.stride)) > 1:  # else nothing waits for the device
            first = -int(self.seen) % stride
            preds, truth = preds[first::stride], truth[first::stride]
        self.scores.append(preds)
        self.truth.append(truth)
        self.seen += len(target)
        while self._kept() > self.most and self._kept() > preds.shape[1]:
            self.scores, self.truth = ([dim_zero_cat(part)[::2].clone()] for part in (self.scores, self.truth))
            self.stride *= 2

    def _kept(self) -> int:
        return sum(part.numel() for part in self.scores)

    def compute(self) -> Tensor:
        """Return the mean."""
        if not len(self.scores):  # a resumed epoch whose batches were all done
            return torch.tensor(torch.nan, device=self.device)
        scores, truth = (dim_zero_cat(part).cpu().numpy() for part in (self.scores, self.truth))
        if (stride := int(self.stride)) > 1:
            text = "average_precision is that of 1 of %d images: the scores of all %d are more than are kept (%d)"
            log.info(text, stride, int(self.seen), self.most)
        each = average_precisions(truth, scores)[truth.any(axis=0)]
        return torch.tensor(each.mean() if len(each) else torch.nan, dtype=torch.float32, device=self.device)


def label_metrics(num_classes: int, *, multilabel: bool) -> MetricCollection:
    """Return the metrics of predicted scores (B, K) against labels (B,), or (B, K) of zeros and ones where several.

    One label: `loss`, `accuracy`, `balanced_accuracy` (mean recall of the classes), `f1` (mean over the classes) and,
    from six classes on, `top5_accuracy`. Several, from probabilities: `loss`, `accuracy` (share of right decisions),
    `f1` and `average_precision`, both a mean over the classes. Classes without images are in no mean.
    """
    metrics: dict[str, Metric | MetricCollection] = {"loss": MeanLoss()}
    counted: dict[str, Metric | MetricCollection] = {
        name: kind(num_classes, several=multilabel)
        for name, kind in (("accuracy", Accuracy), ("balanced_accuracy", BalancedAccuracy), ("f1", F1))
        if not (multilabel and kind is BalancedAccuracy)
    }
    groups = [["loss"], list(counted)]
    if multilabel:
        metrics["average_precision"] = AveragePrecision()
        groups.append(["average_precision"])
    elif num_classes > FIRST:
        metrics["top5_accuracy"] = Top5Accuracy()
        groups.append(["top5_accuracy"])
    return MetricCollection(metrics | counted, compute_groups=groups)
