"""Metrics of a localizer: whether the class is right, and how well the box fits.

Boxes here are corners (x0, y0, x1, y1), relative to the image; class 0 is `nothing`, whose images have no box. A figure
that the split has nothing for, such as the fit of boxes where no image shows an object, is not a number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from src.metrics.baseline import BASELINE
from src.metrics.classification import Accuracy, MeanLoss, answered

FITS = 0.5
"""From this IoU on a box counts as right (Russakovsky et al. 2015, section 4.2)."""
STRICTER = tuple(percent / 100 for percent in range(50, 100, 5))
"""The bounds over which COCO averages (Lin et al. 2014)."""


def paired_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the intersection over union (N,) of boxes (N, 4) each with its other; 0 where both are without area."""
    low, high = torch.maximum(boxes[:, :2], others[:, :2]), torch.minimum(boxes[:, 2:], others[:, 2:])
    common = (high - low).clamp(min=0).prod(-1)
    areas = [(b[:, 2:] - b[:, :2]).clamp(min=0).prod(-1) for b in (boxes, others)]
    union = areas[0] + areas[1] - common
    return torch.where(union > 0, common / torch.where(union > 0, union, 1), 0)


def is_localized(predicted: Tensor, label: Tensor, iou: Tensor, bound: float = FITS) -> Tensor:
    """Return which images (N,) are right: the class, and where there is an object an IoU of at least `bound`."""
    return (predicted == label) & ((label == 0) | (iou >= bound))


class MeanIou(Metric):
    """The mean IoU of the predicted box with the true one over images with an object, whatever class was predicted.

    With `names` of all classes, also that of each class with an object of the split: `mean_iou_NAME`.
    """

    full_state_update = False
    name = "mean_iou"
    total: Tensor
    images: Tensor

    def __init__(self, num_classes: int, names: Sequence[str] = ()) -> None:
        super().__init__()
        self.names = tuple(names)
        self.add_state("total", torch.zeros(num_classes, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, target: Tensor, boxes: Tensor, true_boxes: Tensor) -> None:
        """Add a batch: labels (B,), predicted and true boxes (B, 4)."""
        classes = torch.arange(len(self.total), device=target.device)
        members = target[:, None] == classes  # a product with it adds up deterministically on every device
        self.total += paired_iou(boxes.double(), true_boxes.double()) @ members.double()
        self.images += members.sum(0)

    def compute(self) -> Any:
        """Return the mean as a scalar or, with `names`, a dictionary of it and of each class's."""
        total, images = self.total[1:], self.images[1:]
        mean = (total.sum() / images.sum()).float()
        if not self.names:
            return mean
        each = (total / images.clamp(min=1)).float()
        counted = zip(_keys(self.names[1:]), each, images.tolist(), strict=True)
        return {self.name: mean} | {f"{self.name}_{key}": value for key, value, count in counted if count}


class MeanBoxIou(MeanIou):
    """The same of a predictor that knows the class and says its mean box in train: what any localizer must surpass."""

    name = f"{BASELINE}mean_box_iou"

    def __init__(self, mean_boxes: Sequence[Sequence[float]], names: Sequence[str]) -> None:
        super().__init__(len(mean_boxes), names)
        self.mean_boxes = mean_boxes  # no buffer: an average of the weights over time would round it

    def update(self, target: Tensor, true_boxes: Tensor) -> None:  # type: ignore[override] # it predicts by itself
        """Add a batch: labels (B,), true boxes (B, 4)."""
        super().update(target, true_boxes.new_tensor(self.mean_boxes)[target], true_boxes)


class LocalizationAccuracy(Metric):
    """The share of images with the right class and, where there is an object, an IoU that reaches a bound.

    With several `bounds`, the mean of the shares. Not a number where no image shows an object: nothing was localized.
    """

    full_state_update = False
    right: Tensor
    images: Tensor
    objects: Tensor

    def __init__(self, bounds: Sequence[float] = (FITS,)) -> None:
        super().__init__()
        self.bounds = tuple(bounds)
        self.add_state("right", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("objects", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor, boxes: Tensor, true_boxes: Tensor) -> None:
        """Add a batch: scores (B, K + 1), labels (B,), predicted and true boxes (B, 4)."""
        predicted, iou = answered(preds), paired_iou(boxes.double(), true_boxes.double())
        self.right += sum(is_localized(predicted, target, iou, bound).sum() for bound in self.bounds)
        self.images += len(target)
        self.objects += (target > 0).sum()

    def compute(self) -> Tensor:
        """Return the share."""
        return torch.where(self.objects > 0, self.right / (self.images * len(self.bounds)), torch.nan)


class LocalizationError(LocalizationAccuracy):
    """One less the accuracy, as ILSVRC reports it (there with five guesses, here with one)."""

    def compute(self) -> Tensor:
        """Return the share of wrong images."""
        return 1 - super().compute()


class NothingRecall(Metric):
    """The share of images without an object that were found to show nothing.

    Where none are `expected`, because train has none, it is told only of a split that has them after all.
    """

    full_state_update = False
    name = "nothing_recall"
    found: Tensor
    empty: Tensor

    def __init__(self, *, expected: bool) -> None:
        super().__init__()
        self.expected = expected
        self.add_state("found", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("empty", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add a batch: scores (B, K + 1), labels (B,)."""
        self.found += ((answered(preds) == 0) & (target == 0)).sum()
        self.empty += (target == 0).sum()

    def compute(self) -> Any:
        """Return the share as a scalar; where none are expected, a dictionary of it or an empty one."""
        share = self.found / self.empty
        if self.expected:
            return share
        return {self.name: share} if self.empty else {}


def localization_metrics(
    names: Sequence[str], *, nothing: bool, by_class: bool, mean_boxes: Sequence[Sequence[float]] = ()
) -> MetricCollection:
    """Return `loss`, `accuracy`, `mean_iou`, `localization_accuracy` and `localization_error` over classes `names`.

    `mean_localization_accuracy` is the mean over ten bounds of the IoU, from 0.5 to 0.95: the one figure of class and
    box that still grows when nearly all boxes reach 0.5, so it chooses the best weights.

    `nothing_recall` is there with `nothing`, where the data have images without an object, and of every split that
    has some though train has none. `by_class` adds the mean IoU of each class and, as `baseline/mean_box_iou`, that of
    the `mean_boxes` (K + 1, 4) where they are known.
    """
    metrics: dict[str, Metric | MetricCollection] = {
        "loss": MeanLoss(),
        "accuracy": Accuracy(len(names), several=False),
        "mean_iou": MeanIou(len(names), names if by_class else ()),
        "localization_accuracy": LocalizationAccuracy(),
        "localization_error": LocalizationError(),
        "mean_localization_accuracy": LocalizationAccuracy(STRICTER),
        "nothing_recall": NothingRecall(expected=nothing),
    }
    if by_class and mean_boxes:
        metrics["mean_boxes"] = MeanBoxIou(mean_boxes, names)
    alike = ["localization_accuracy", "localization_error"]
    return MetricCollection(metrics, compute_groups=[alike, *([name] for name in metrics if name not in alike)])


def _keys(names: Sequence[str]) -> list[str]:
    """Return classes' names as parts of a metric's: letters, digits and underscores, numbered where they are alike."""
    keys = [re.sub(r"\W+", "_", name) for name in names]
    return [key if keys.index(key) == i else f"{key}_{keys[: i + 1].count(key)}" for i, key in enumerate(keys)]
