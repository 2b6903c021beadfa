"""The classifier: one label per image, or several (chapter, section 6.3)."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Interval
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MetricCollection

from src.answers import Answers
from src.config.problems import listing
from src.data.spec import DataSpec
from src.data.view import View
from src.errors import UserError
from src.metrics.classification import F1, label_metrics
from src.metrics.extremes import THRESHOLD, mistakes, mistakes_of_several, surest_right
from src.models.base import Batch, ImageModule, Reference, Row
from src.models.evaluated import evaluated
from src.networks.head import main_and_auxiliary

if TYPE_CHECKING:
    from src.data.module import ImageData

log = logging.getLogger(__name__)


class Classifier(ImageModule):
    """Cross entropy on softmax scores, or binary cross entropy per class where an image can have several labels.

    Intermediate classifiers of a network in training (`logits`, then further fields, as GoogLeNet returns them) are
    added with `aux_weight` each (Szegedy et al. 2015, section 5).
    """

    requires: ClassVar[tuple[str, ...]] = ("label",)
    gathers: ClassVar[bool] = True
    figures: ClassVar[tuple[str, ...]] = (
        "loss",
        "accuracy",
        "balanced_accuracy",
        "f1",
        "top5_accuracy",
        "average_precision",
    )
    maps_classes: ClassVar[bool] = True

    def __init__(
        self,
        *,
        spec: DataSpec,
        label_smoothing: Annotated[float, Interval(ge=0, lt=1)],
        class_weights: Literal["balanced"] | list[Annotated[float, Ge(0)]] | None,
        aux_weight: Annotated[float, Ge(0)],
        test_time_flip: bool,
        **options: Any,
    ) -> None:
        super().__init__(spec=spec, **options)
        self.label_smoothing, self.aux_weight, self.test_time_flip = label_smoothing, aux_weight, test_time_flip
        self.register_buffer("class_weights", weights_of_classes(class_weights, spec), persistent=False)
        self.class_weights: Tensor | None
        self._named: set[str] = set()

    def configure_metrics(self) -> MetricCollection:
        """Return loss and accuracy and their relatives."""
        return label_metrics(self.spec.num_classes, multilabel=self.spec.multilabel)

    def _log_split(self, split: str) -> dict[str, Tensor]:
        figures = super()._log_split(split)
        if split != "train" and not self.trainer.sanity_checking:
            self._name_absent(split)
        return figures

    def _name_absent(self, split: str) -> None:
        """Say, once for a split, which classes no image of it has: they are in no mean over classes."""
        metrics = self.metrics[f"{split}_metrics"]
        assert isinstance(metrics, MetricCollection)
        counts = metrics["f1"]
        assert isinstance(counts, F1)
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        where = data.measured_split if split == "test" else split
        if counts.absent and where not in self._named:
            self._named.add(where)
            names = listing([self.spec.classes[k] for k in counts.absent], most=100)
            log.info("Classes that no image of the %s split has, left out of the means over classes: %s", where, names)

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss and the logits (B, K)."""
        logits, auxiliary = main_and_auxiliary(self.scores(batch))
        if self.test_time_flip and not self.training:
            logits = self._with_mirror_image(logits, batch["image"])
        loss = self.criterion(logits, batch["label"])
        for scores in auxiliary:
            loss = loss + self.aux_weight * self.criterion(scores, batch["label"])
        return loss, logits

    def scores(self, batch: Batch) -> Any:
        """Return the network's outputs: logits (B, K), or several such while it trains."""
        return self(batch["image"])

    def criterion(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the mean loss of logits (B, K) against labels (B,), or (B, K) soft or several."""
        smoothing = self.label_smoothing if self.training else 0.0
        weights = None if self.class_weights is None else self.class_weights.to(logits.dtype)
        if self.spec.multilabel:
            soft = label.to(logits.dtype) * (1 - smoothing) + smoothing / 2
            return F.binary_cross_entropy_with_logits(logits, soft, pos_weight=weights)
        if label.is_floating_point():
            return F.cross_entropy(logits, label.to(logits.dtype), weight=weights, label_smoothing=smoothing)
        if weights is None:
            return F.cross_entropy(logits, label, label_smoothing=smoothing)
        total = F.cross_entropy(logits, label, weight=weights, label_smoothing=smoothing, reduction="sum")
        weight = weights[label].sum()
        return total / torch.where(weight > 0, weight, torch.inf)  # of labels that all weigh nothing: zero, not NaN

    def loss_weight(self, batch: Batch) -> Tensor | int:
        """Return the sum of the weights of the labels; samples where there are none, or labels are soft or several."""
        label = batch["label"]
        if self.class_weights is None or label.ndim == 2:
            return len(label)
        return self.class_weights[label].sum()

    def _with_mirror_image(self, logits: Tensor, images: Tensor) -> Tensor:
        """Return logits whose probabilities are the mean over images and their mirror images."""
        logits, mirrored = logits.float(), self(images.flip(-1)).float()
        if self.spec.multilabel:  # the logarithm of p / (1 - p), of the mean of both p
            present = torch.logaddexp(F.logsigmoid(logits), F.logsigmoid(mirrored))
            return present - torch.logaddexp(F.logsigmoid(-logits), F.logsigmoid(-mirrored))
        return torch.logaddexp(logits.log_softmax(-1), mirrored.log_softmax(-1)) - torch.tensor(2.0).log()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities (B, K) of logits (B, K), in full precision."""
        return logits.float().sigmoid() if self.spec.multilabel else logits.float().softmax(-1)

    def predicted(self, images: Tensor) -> dict[str, Tensor]:
        """Return `probabilities` (B, K)."""
        logits: Tensor = self(images)
        if self.test_time_flip:
            logits = self._with_mirror_image(logits, images)
        return {"probabilities": self.probabilities(logits)}

    def prediction_rows(
        self, predicted: Mapping[str, Tensor], views: Sequence[View], reference: Reference | None
    ) -> list[Row]:
        """Return class, its probability and that of every class; several classes are joined by `|`."""
        several = self.spec.multilabel
        return [class_columns(self.spec.classes, row, several=several) for row in predicted["probabilities"].tolist()]

    def metric_inputs(self, outputs: Tensor, batch: Batch, loss: Tensor) -> dict[str, Any]:
        """Return probabilities, the very ones that `predictions=` writes, and labels.

        A mixed batch counts as the label with the larger share.
        """
        label = batch["label"]
        single = label.argmax(-1) if label.ndim == 2 else label
        hard = label > THRESHOLD if self.spec.multilabel else single
        scores = self.probabilities(outputs.detach())
        return {"preds": scores, "target": hard, "loss": loss, "size": self.loss_weight(batch)}

    def evaluation_outputs(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return `probabilities` (B, K) and `label`."""
        return {"probabilities": self.probabilities(outputs), "label": batch["label"]}

    def evaluation_rows(self, kept: Mapping[str, NDArray[Any]]) -> list[Row]:
        """Return `label`, and the columns of a prediction."""
        several = self.spec.multilabel
        named = (class_names(self.spec.classes, label, several=several) for label in kept["label"])
        answers = (class_columns(self.spec.classes, row, several=several) for row in kept["probabilities"].tolist())
        return [{"label": label, **answer} for label, answer in zip(named, answers, strict=True)]

    def answers(self, data: ImageData, split: str) -> Answers:
        """Return probabilities and labels, for confusion matrix, table of classes and worst mistakes."""
        kept = evaluated(self.outputs, data, split)
        probabilities, label = kept.values["probabilities"], kept.values["label"]
        if self.spec.multilabel:
            shown = mistakes_of_several(probabilities, label.astype(bool))[0]
        else:
            shown = np.concatenate([mistakes(probabilities, label), surest_right(probabilities, label)])
        values = {"classes": np.array(self.spec.classes), "probabilities": probabilities, "label": label}
        return Answers("classification", values | {"paths": np.array(kept.paths)}, kept.image, shown.tolist())


def class_names(classes: Sequence[str], label: Any, *, several: bool) -> str:
    """Return the name of a label, or the names of those that are set, joined by `|`, where there can be several."""
    if several:
        return "|".join(name for name, there in zip(classes, label, strict=True) if there > 0.5)
    return classes[int(label)]


def class_columns(classes: Sequence[str], probabilities: Sequence[float], *, several: bool = False) -> Row:
    """Return `class`, its `probability` and that of each class; where there can be `several`, those above a half.

    With as many digits as tell single floats apart: what is measured on the file is what was measured on the answers.
    """
    best = int(np.argmax(probabilities))
    written = [float(f"{p:.9g}") for p in probabilities]
    each = dict(zip(classes, written, strict=True))
    found = [name for name, p in each.items() if p > THRESHOLD] if several else [classes[best]]
    columns: Row = {"class": "|".join(found), "probability": written[best]}
    return columns | {f"p({name})": p for name, p in each.items()}


def weights_of_classes(choice: Literal["balanced"] | Sequence[float] | None, spec: DataSpec) -> Tensor | None:
    """Return the weight of each class (K,) in the loss, or None.

    `balanced` is inverse to the counts in train, with mean 1 over the samples; where an image can have several labels,
    it is the number of images without a class over those with it, for each class alone, and 1 where all images have it:
    there is nothing to balance, and with 0 it would never be learned. Raises UserError where a list has not one weight
    per class, or they are not finite numbers with one above zero, or a class without samples would weigh infinitely.
    """
    if choice is None:
        return None
    if choice == "balanced":
        return _balanced(spec)
    if len(choice) != spec.num_classes:
        raise UserError(
            f"model.class_weights has {len(choice)} values for {spec.num_classes} classes: {', '.join(spec.classes)}"
        )
    if not all(map(math.isfinite, choice)) or not any(choice):
        raise UserError(f"model.class_weights={list(choice)}: weights are finite numbers, at least one of them above 0")
    return torch.tensor(list(map(float, choice)))


def _balanced(spec: DataSpec) -> Tensor:
    counts = torch.tensor(spec.class_counts, dtype=torch.float32)
    if (counts == 0).any():
        empty = listing(name for name, count in zip(spec.classes, spec.class_counts, strict=True) if not count)
        raise UserError(
            f"model.class_weights=balanced: no training image of class {empty}; type model.class_weights=null, or a "
            "list with a weight for each class"
        )
    if not spec.multilabel:
        return counts.sum() / (len(counts) * counts)
    lacking = spec.train_samples - counts
    if (everywhere := lacking == 0).any():
        names = listing(name for name, all_have in zip(spec.classes, everywhere.tolist(), strict=True) if all_have)
        log.warning("model.class_weights=balanced: every training image has %s, which weighs 1", names)
    return torch.where(everywhere, 1.0, lacking / counts)
