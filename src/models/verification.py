"""What the siamese and the comparison network share: embeddings, a threshold, measures of pairs, prediction, report."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MetricCollection

from src.answers import Answers
from src.data.sampler import Identities, Triplets
from src.data.sources.base import Pairs
from src.data.spec import DataSpec
from src.data.view import View
from src.errors import UserError
from src.metrics.baseline import BASELINE
from src.metrics.classification import MeanLoss
from src.metrics.verification import Comparer, Verification, fold_accuracy, hardest_pairs, roc_auc_of_cosine
from src.models.base import Batch, ImageModule, Reference, Row
from src.models.evaluated import evaluated
from src.models.pair_tables import ROWS, image_rows, names_of, pair_rows, pairs_within, row_distances

if TYPE_CHECKING:
    from src.data.module import ImageData

log = logging.getLogger(__name__)

MAX_PIXELS = 2**24
"""Values of a split's images up to which their raw pixels are compared too: 1,365 images of 64 px in colour."""

CHANCE = 0.5
"""The ROC area of guessing."""

HARDEST = 12
"""Pairs of each kind that a report shows."""


class VerificationModel(ImageModule):
    """One network applied to all images; pairs are compared by their embeddings (chapter, section 6.6).

    A pair is `same` where its distance is at most `threshold`, which every validation chooses anew on the pairs of the
    validation identities: so the weights of a checkpoint have the threshold that belongs to them.
    """

    requires: ClassVar[tuple[str, ...]] = ("identity",)
    compares: ClassVar[bool] = True
    explained: ClassVar[tuple[Literal["class", "box", "same"], ...]] = ("same",)
    mixes: ClassVar[bool] = False
    auxiliary: ClassVar[bool] = False
    head: ClassVar[Literal["classes", "embedding"]] = "embedding"
    needs_validation: ClassVar[bool] = True
    one_loss: ClassVar[bool] = True
    measured: ClassVar[tuple[str, ...]] = ("threshold", "slope")
    figures: ClassVar[tuple[str, ...]] = (
        "loss",
        "roc_auc",
        "equal_error_rate",
        "verification_accuracy",
        "tar_at_far_0.01",
        "tar_at_far_0.001",
        "recall_at_1",
        "embedding_spread",
        "same_distance",
        "different_distance",
    )
    train_figures: ClassVar[tuple[str, ...]] = ("loss",)
    lower_is_better: ClassVar[tuple[str, ...]] = ("loss", "equal_error_rate")
    only_describe: ClassVar[tuple[str, ...]] = ("embedding_spread", "same_distance", "different_distance")

    measure: ClassVar[str] = "distance"
    """What a report calls the numbers by which pairs are told apart."""

    threshold: Tensor
    slope: Tensor

    def __init__(
        self,
        *,
        spec: DataSpec,
        embedding_dim: Annotated[int, Ge(1)],
        normalize: bool,
        images_per_identity: Annotated[int, Ge(2)],
        **options: Any,
    ) -> None:
        super().__init__(spec=spec, **options)
        self.embedding_dim, self.normalize = embedding_dim, normalize
        self.images_per_identity = images_per_identity
        self.register_buffer("threshold", torch.tensor(math.nan, dtype=torch.float64))
        self.register_buffer("slope", torch.tensor(0.0, dtype=torch.float64))
        self.metrics["train_metrics"] = self.configure_train_metrics().clone(prefix="train/")

    def setup(self, stage: str) -> None:
        """Tell the metrics how pairs are compared."""
        super().setup(stage)
        for split in ("val", "test"):
            self.pair_metric(split).comparer = self.comparer()

    # What the two kinds define

    def comparer(self) -> Comparer:
        """Return how embeddings are compared."""
        raise NotImplementedError

    def probabilities(self, distances: Tensor) -> Tensor:
        """Return the probability of `same` at distances of any shape, were as many pairs same as different."""
        raise NotImplementedError

    def configure_train_metrics(self) -> MetricCollection:
        """Return the metrics of training batches."""
        return MetricCollection({"loss": MeanLoss()}, compute_groups=False)

    # Training and evaluation

    @staticmethod
    def network_outputs(spec: DataSpec, section: Mapping[str, Any]) -> int:
        """Return the embedding's dimension: the network's own head gives it."""
        return int(section["embedding_dim"])

    @staticmethod
    def training_batches(section: Mapping[str, Any]) -> Identities | Triplets | None:
        """Return what training batches are made of."""
        return Identities(int(section["images_per_identity"]))

    def configure_metrics(self) -> MetricCollection:
        """Return the measures of all pairs of a split."""
        return MetricCollection({"verification": Verification()}, compute_groups=False)

    def metric_names(self) -> list[str]:
        """Return the names of the figures of a split."""
        return list(self.figures)

    def pair_metric(self, split: str) -> Verification:
        """Return the metric of a split."""
        metric = self.split_metrics(split)["verification"]
        assert isinstance(metric, Verification)
        return metric

    def embed(self, images: Tensor) -> Tensor:
        """Return the embeddings (B, D) of normalised images, in full precision, of length one where `normalize`."""
        outputs = self(images)
        return F.normalize(outputs.float(), dim=-1) if self.normalize else outputs.float()

    def of_all_processes(self, embeddings: Tensor, identities: Tensor) -> tuple[Tensor, Tensor]:
        """Return the embeddings and identities of all processes, in their order, so that all mine the same batch.

        Gradients come back to each process from all others. The parts may differ in length, so they are filled up for
        the journey.
        """
        if self.trainer.world_size == 1:
            return embeddings, identities
        sizes = self.all_gather(torch.tensor(len(embeddings), device=self.device))
        assert isinstance(sizes, Tensor)
        missing = int(sizes.max()) - len(embeddings)
        filled = F.pad(embeddings, (0, 0, 0, missing)), F.pad(identities, (0, missing))
        every, who = self.all_gather(filled[0], sync_grads=True), self.all_gather(filled[1])
        assert isinstance(every, Tensor)
        assert isinstance(who, Tensor)
        real = torch.arange(int(sizes.max()), device=self.device) < sizes[:, None]
        return every[real], who[real]

    def metric_inputs(self, outputs: Any, batch: Batch, loss: Tensor) -> dict[str, Any]:
        """Return the embeddings for the measures of their split; of training batches, the loss."""
        if self.training:
            return {"loss": loss, "size": len(batch["index"]), **outputs}
        return {"embeddings": outputs, "identities": batch["identity"], "indices": batch["index"]}

    def evaluation_outputs(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return `embedding` (B, D) and `identity`; of a test also `pixels` (B, C * H * W), where not too many."""
        kept = {"embedding": outputs, "identity": batch["identity"]}
        if self.trainer.testing and self._pixels_fit(batch["image"]):
            kept["pixels"] = self._pixels(batch["image"])
        return kept

    def _pixels_fit(self, images: Tensor) -> bool:
        return images[0].numel() * len(self._data().splits[self._data().measured_split]) <= MAX_PIXELS

    def _pixels(self, images: Tensor) -> Tensor:
        """Return what normalised images (B, C, H, W) were before, as uint8 (B, C * H * W)."""
        mean, std = (torch.tensor(v, device=images.device).view(1, -1, 1, 1) for v in (self.spec.mean, self.spec.std))
        return ((images * std + mean) * 255).round().clamp(0, 255).byte().flatten(1)

    def _data(self) -> ImageData:
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        found: ImageData = data
        return found

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure a batch in full precision, as a test does: the threshold that is chosen here is used there."""
        with torch.autocast(self.device.type, enabled=False):
            super().validation_step(batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        """Log the measures, and choose threshold and slope on the validation pairs."""
        super().on_validation_epoch_end()
        found = self.pair_metric("val").found
        if found is not None and not self.trainer.sanity_checking:
            threshold = found.curve.best_threshold()
            self.threshold.fill_(threshold)
            self.slope.fill_(found.histogram.slope_at(threshold))

    def on_train_end(self) -> None:
        """Say where the last validation told its pairs apart worse than chance: nothing was learned of strangers."""
        area = self.validated.get("val/roc_auc", math.nan)
        if area < CHANCE:
            log.warning(
                "val/roc_auc is %.4f, below chance (0.5): on people whom it has not seen, the network is worse than "
                "guessing. More identities with several images to train on, more epochs, a lower optimizer.lr or "
                "model.mining=semi_hard may help",
                area,
            )

    def on_test_epoch_end(self) -> None:
        """Log the measures at the threshold that validation chose, beside them the raw pixels' and the protocol's."""
        chosen = float(self.threshold)
        if math.isnan(chosen):
            log.warning(
                "No threshold was chosen: no validation saw pairs of the same and of different identities. "
                "verification_accuracy has the best threshold for the pairs that it is measured on."
            )
        self.pair_metric("test").threshold = None if math.isnan(chosen) else chosen
        super().on_test_epoch_end()
        self.log_dict(self._pixel_figures() | self._protocol_figures())

    def kept(self, key: str) -> Tensor:
        """Return what was kept of the last evaluated split, in the order of `index`."""
        order = torch.cat([batch["index"] for batch in self.outputs]).argsort()
        return torch.cat([batch[key] for batch in self.outputs])[order]

    def _pixel_figures(self) -> dict[str, float]:
        """Return the ROC area of the cosine of raw pixels, which a network must beat to have learned anything.

        The mean of each image is taken off first: the cosine of values that are all positive is close to 1, and knows
        less (on ORL faces 0.91 in place of 0.92).
        """
        if not all("pixels" in batch for batch in self.outputs):
            log.info(
                "The baseline pixel_roc_auc, how well the bare pixels tell identities apart, is not computed: all "
                "images of this split together have more than %d million values",
                MAX_PIXELS // 10**6,
            )
            return {}
        pixels = self.kept("pixels").float()
        area = roc_auc_of_cosine(pixels - pixels.mean(1, keepdim=True), self.kept("identity"))
        return {f"test/{BASELINE}pixel_roc_auc": area}

    def _protocol_figures(self) -> dict[str, float]:
        """Return the accuracy on the source's pairs, where it has any: of those of which both images are in the split.

        Of several folds, the mean and its standard error, each answered with the threshold of the others; of one, whose
        others were trained on, with the threshold that the validation identities chose.
        """
        pairs, distances = self._measured_pairs()
        if pairs is None or not len(pairs.fold):
            return {}
        folds, same = torch.from_numpy(pairs.fold), torch.from_numpy(pairs.same)
        if len(torch.unique(folds)) < 2:
            right = (distances <= self.threshold.cpu()) == same
            return {"test/lfw_accuracy": float(right.double().mean())}
        accuracy, error = fold_accuracy(distances, same, folds)
        return {"test/lfw_accuracy": accuracy, "test/lfw_standard_error": error}

    def _measured_pairs(self) -> tuple[Pairs | None, Tensor]:
        """Return the source's pairs within the last evaluated split and their distances; None where it has none."""
        pairs, indices = self._data().source.pairs(), self.kept("index")
        if pairs is None:
            return None, torch.empty(0)
        found = pairs_within(pairs, indices.numpy())
        expected = int(np.isin(pairs.fold, found.fold).sum())
        if len(found.fold) < expected:
            log.warning("%d of %d pairs are left out: not in this split", expected - len(found.fold), expected)
        embeddings = self.kept("embedding").double()
        sides = (
            embeddings[torch.searchsorted(indices, torch.from_numpy(side))] for side in (found.first, found.second)
        )
        return found, row_distances(self.comparer(), *sides)

    # Prediction and report

    def predicted(self, images: Tensor) -> dict[str, Tensor]:
        """Return `embedding` (B, D)."""
        return {"embedding": self.embed(images)}

    def evaluation_table(self, data: ImageData, kept: Mapping[str, NDArray[Any]]) -> list[Row]:
        """Return a row for each pair of the source's in the split, else for each image with the nearest other one."""
        pairs, distances = self._measured_pairs()
        threshold = float(self.threshold)
        if pairs is not None and len(pairs.fold):
            return pair_rows(data, pairs, distances, threshold, self.probabilities(distances))
        embeddings = torch.from_numpy(kept["embedding"]).double()
        return image_rows(data, kept["index"], embeddings, threshold, self.comparer())

    def prediction_rows(
        self, predicted: Mapping[str, Tensor], views: Sequence[View], reference: Reference | None
    ) -> list[Row]:
        """Return `answer` (same or different), `probability` of same, `distance`, `threshold`, and with whom."""
        assert reference is not None
        embeddings, others = (part["embedding"].double() for part in (predicted, reference.predicted))
        threshold = float(self.threshold)
        if math.isnan(threshold):
            raise UserError(
                "these weights have no threshold between same and different: no validation saw pairs of both; train "
                "with data.val_fraction above 0 and validate at least once (trainer.check_val_every_n_epoch)"
            )
        comparer = self.comparer()
        closest = [comparer.distances(rows, others).min(1) for rows in torch.split(embeddings, ROWS)]
        found, nearest = (torch.cat([part[k] for part in closest]) for k in (0, 1))
        probabilities = self.probabilities(found)
        key = "nearest" if reference.gallery else "anchor"
        return [
            {
                "answer": "same" if distance <= threshold else "different",
                "probability": round(probability, 6),
                **self.shown_distance(distance, threshold),
                key: reference.files[place],
            }
            for distance, probability, place in zip(
                found.tolist(), probabilities.tolist(), nearest.tolist(), strict=True
            )
        ]

    def shown_distance(self, distance: float, threshold: float) -> Row:
        """Return the columns that say how the answer came about."""
        return {"distance": round(distance, 6), "threshold": round(threshold, 6)}

    def answers(self, data: ImageData, split: str) -> Answers | None:
        """Return what the ROC curve, the distances, the hardest pairs and the embedding are drawn from."""
        kept, found = evaluated(self.outputs, data, split), self.pair_metric("test").found
        if found is None:
            return None
        embeddings, who = (torch.from_numpy(kept.values[key]) for key in ("embedding", "identity"))
        hardest = hardest_pairs(embeddings.double(), who, self.comparer(), HARDEST)
        nearest, farthest = (np.array(pairs, np.float64).reshape(-1, 3) for pairs in hardest)
        false_accepts, true_accepts = found.curve.vertices()
        values = {
            "false_accepts": false_accepts.numpy(),
            "true_accepts": true_accepts.numpy(),
            "roc_auc": np.array(found.curve.roc_auc()),
            "distances": found.histogram.centres.numpy(),
            "same": found.histogram.same.numpy(),
            "different": found.histogram.different.numpy(),
            "threshold": np.array(float(self.threshold)),
            "measure": np.array(self.measure),
            "nearest_different": nearest,
            "farthest_same": farthest,
            "embeddings": kept.values["embedding"],
            "identities": np.array(names_of(data, kept.values["identity"].tolist())),
            "paths": np.array(kept.paths),
        }
        shown = np.concatenate([nearest[:, :2], farthest[:, :2]]).astype(np.int64)
        return Answers("verification", values, kept.image, shown.ravel().tolist())
