"""The localizer: what one object is, and its box (chapter, section 6.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt, Interval
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import MetricCollection

from src.answers import Answers
from src.data.spec import DataSpec
from src.data.view import View
from src.errors import UserError
from src.losses.boxes import COSTS, classification_loss, localization_loss, xyhw_to_xyxy, xyxy_to_xyhw
from src.metrics.extremes import MAX_BEST, MAX_WORST, boxes_by_fit, wrong_about_nothing
from src.metrics.localization import localization_metrics, paired_iou
from src.models.base import Batch, ImageModule, Reference, Row
from src.models.classifier import class_columns
from src.models.evaluated import evaluated
from src.networks.box_head import box_head
from src.networks.features import FinalFeatures
from src.networks.head import main_and_auxiliary

if TYPE_CHECKING:
    from src.data.module import ImageData

CORNERS = ("x0", "y0", "x1", "y1")
"""Columns of a predicted box, in pixels of the image."""
TRUE_CORNERS = tuple(f"true_{corner}" for corner in CORNERS)


@dataclass(frozen=True)
class Found:
    """Logits (B, K + 1), boxes (B, 4) as (x, y, h, w), and the logits of intermediate classifiers in training."""

    logits: Tensor
    boxes: Tensor
    auxiliary: Sequence[Tensor]


class Localizer(ImageModule):
    """Class probabilities over K classes and `nothing`, and one box: C_cls + gamma * (1 - y_nothing) * C_loc.

    The class is the network's own output; the box comes from fully connected layers on its final convolutional
    features, `box_head`, averaged to at most `box_grid` cells to a side. Batches are not mixed up: a box has no mean.
    """

    requires: ClassVar[tuple[str, ...]] = ("label", "box")
    explained: ClassVar[tuple[Literal["class", "box", "same"], ...]] = ("box", "class")
    mixes: ClassVar[bool] = False
    figures: ClassVar[tuple[str, ...]] = (
        "loss",
        "accuracy",
        "mean_iou",
        "localization_accuracy",
        "localization_error",
        "mean_localization_accuracy",
        "nothing_recall",
    )
    lower_is_better: ClassVar[tuple[str, ...]] = ("loss", "localization_error")

    def __init__(
        self,
        *,
        spec: DataSpec,
        gamma: Annotated[float, Ge(0)],
        box_loss: Literal["mse", "smooth_l1", "giou", "diou", "ciou"],
        box_grid: Annotated[int, Ge(1)],
        box_hidden: list[Annotated[int, Gt(0)]],
        box_dropout: Annotated[float, Interval(ge=0, lt=1)],
        label_smoothing: Annotated[float, Interval(ge=0, lt=1)],
        aux_weight: Annotated[float, Ge(0)],
        **options: Any,
    ) -> None:
        if spec.classes[:1] != ("nothing",):
            raise UserError(
                f"a localizer's first class is `nothing`; these data have the classes {', '.join(spec.classes[:12])}"
            )
        super().__init__(spec=spec, **options)
        self.gamma, self.cost = gamma, COSTS[box_loss]
        self.label_smoothing, self.aux_weight = label_smoothing, aux_weight
        self.features = FinalFeatures(self.network, spec.channels, spec.image_size)
        self.box_head = box_head(self.features.shape, box_grid, box_hidden, box_dropout)
        self.metrics["test_metrics"] = self._metrics(by_class=True).clone(prefix="test/")

    def configure_metrics(self) -> MetricCollection:
        """Return loss, accuracy, mean IoU and localization accuracy; of test there is more, class by class."""
        return self._metrics(by_class=False)

    def _metrics(self, *, by_class: bool) -> MetricCollection:
        return localization_metrics(
            self.spec.classes,
            nothing=self.spec.class_counts[0] > 0,
            by_class=by_class,
            mean_boxes=self.spec.mean_boxes,
        )

    def forward(self, images: Tensor) -> Found:
        """Apply the network and the box head to normalised images (B, C, H, W)."""
        logits, auxiliary = main_and_auxiliary(super().forward(images))
        return Found(logits, self.box_head(self.features.take()).float(), auxiliary)

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Found]:
        """Return the loss and what was found."""
        found = self(batch["image"])
        label, true_boxes = batch["label"], xyxy_to_xyhw(batch["box"])
        smoothing = self.label_smoothing if self.training else 0.0
        loss = classification_loss(found.logits, label, smoothing)
        for scores in found.auxiliary:
            loss = loss + self.aux_weight * classification_loss(scores, label, smoothing)
        return loss + self.gamma * localization_loss(found.boxes, true_boxes, label, self.cost), found

    def metric_inputs(self, outputs: Found, batch: Batch, loss: Tensor) -> dict[str, Any]:
        """Return probabilities, labels and both boxes, the very ones that `predictions=` writes."""
        return {
            "preds": outputs.logits.detach().float().softmax(-1),
            "target": batch["label"],
            "boxes": corners(outputs.boxes.detach()),
            "true_boxes": batch["box"],
            "loss": loss,
            "size": len(batch["label"]),
        }

    def evaluation_outputs(self, outputs: Found, batch: Batch) -> dict[str, Tensor]:
        """Return `probabilities` (B, K + 1), `label`, `box` and `true_box` (B, 4) as relative corners."""
        return self._said(outputs) | {"label": batch["label"], "true_box": batch["box"]}

    def predicted(self, images: Tensor) -> dict[str, Tensor]:
        """Return `probabilities` (B, K + 1) and `box` (B, 4), corners relative to what the network saw."""
        return self._said(self(images))

    def _said(self, found: Found) -> dict[str, Tensor]:
        return {"probabilities": found.logits.float().softmax(-1), "box": corners(found.boxes)}

    def prediction_rows(
        self, predicted: Mapping[str, Tensor], views: Sequence[View], reference: Reference | None
    ) -> list[Row]:
        """Return class, probability, corners in pixels of the image (empty for `nothing`), and all probabilities."""
        rows = []
        for probabilities, box, view in zip(predicted["probabilities"], predicted["box"], views, strict=True):
            columns = class_columns(self.spec.classes, probabilities.tolist())
            pixels = view.boxes_in_image(box[None].numpy())[0].round(4).tolist()
            nowhere = columns["class"] == self.spec.classes[0]
            place: Row = dict(zip(CORNERS, [""] * 4 if nowhere else pixels, strict=True))
            first = {key: columns.pop(key) for key in ("class", "probability")}
            rows.append(first | place | columns)
        return rows

    def evaluation_rows(self, kept: Mapping[str, NDArray[Any]]) -> list[Row]:
        """Return label and class with both boxes, as corners relative to what the network saw."""
        rows = []
        columns = (kept[key].tolist() for key in ("label", "true_box", "probabilities", "box"))
        for label, true_box, probabilities, box in zip(*columns, strict=True):
            truth: Row = {"label": self.spec.classes[label]} | dict(zip(TRUE_CORNERS, true_box, strict=True))
            rows.append(truth | dict(zip(CORNERS, box, strict=True)) | class_columns(self.spec.classes, probabilities))
        return rows

    def drawing(self, image: NDArray[np.uint8], row: Row) -> NDArray[np.uint8]:
        """Return the image with the box, the class and its probability drawn in; of `nothing` the words alone."""
        from src.report.boxes import annotated

        place = None if row["x0"] == "" else [float(row[key]) for key in CORNERS]
        return annotated(image, place, f"{row['class']} {float(row['probability']):.0%}")

    def answers(self, data: ImageData, split: str) -> Answers:
        """Return classes and boxes, for how well they fit, figures per class, and the confusion matrix."""
        kept = evaluated(self.outputs, data, split)
        probabilities, label = kept.values["probabilities"], kept.values["label"]
        boxes = (torch.from_numpy(kept.values[name]).double() for name in ("box", "true_box"))
        order = boxes_by_fit(paired_iou(*boxes).numpy(), label)
        shown = np.concatenate([order[:MAX_WORST], order[::-1][:MAX_BEST], wrong_about_nothing(probabilities, label)])
        values = {name: kept.values[name] for name in ("probabilities", "label", "box", "true_box")}
        named = {"classes": np.array(self.spec.classes), "paths": np.array(kept.paths)}
        means = {"mean_boxes": np.array(self.spec.mean_boxes, np.float32)}
        return Answers("localization", values | named | means, kept.image, shown.tolist())


def corners(boxes: Tensor) -> Tensor:
    """Return boxes (B, 4) of (x, y, h, w) as corners, clipped to the image."""
    return xyhw_to_xyxy(boxes).clamp(0, 1)
