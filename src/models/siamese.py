"""The siamese network with triplet loss (chapter, section 6.6, face recognition)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from torchmetrics import MetricCollection

from src.data.sampler import Identities, Triplets
from src.losses.triplet import Distance, distances, pair_masks, triplet_loss, triplet_sum
from src.metrics.classification import MeanLoss
from src.metrics.verification import BatchPairs, Comparer, mean_distances, spread, without_noise
from src.models.base import Batch
from src.models.verification import VerificationModel

log = logging.getLogger(__name__)


class Siamese(VerificationModel):
    """Embeddings in which images of one identity are nearer to each other than to others, by a margin.

    The loss of a training batch is that of the triplets chosen in the batches of all processes together; `val/loss` and
    `test/loss` are equation (6.27), the mean over all triplets of the split, whatever the batches.
    """

    train_figures: ClassVar[tuple[str, ...]] = (
        "loss",
        "active_triplets",
        "embedding_spread",
        "same_distance",
        "different_distance",
    )
    only_describe: ClassVar[tuple[str, ...]] = (
        "active_triplets",
        "embedding_spread",
        "same_distance",
        "different_distance",
    )

    def __init__(
        self,
        *,
        margin: Annotated[float, Gt(0)],
        distance: Literal["squared_euclidean", "cosine"],
        mining: Literal["all", "hard", "semi_hard", "curated"],
        collapse_spread: Annotated[float, Ge(0)],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.margin, self.distance, self.mining = margin, distance, mining
        self.collapse_spread = collapse_spread
        self._warned = False

    @staticmethod
    def training_batches(section: Mapping[str, Any]) -> Identities | Triplets | None:
        """Return triplets where they are curated, else identities with several images each."""
        return Triplets() if section["mining"] == "curated" else Identities(int(section["images_per_identity"]))

    def comparer(self) -> Comparer:
        """Return the distance, and the triplet loss of all triplets."""
        return TripletComparer(self.margin, self.distance)

    def configure_train_metrics(self) -> MetricCollection:
        """Return the loss, and whether the embeddings are about to collapse."""
        return MetricCollection({"loss": MeanLoss(), "pairs": BatchPairs()}, compute_groups=False)

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Any]:
        """Return the loss of the mined triplets with the batch's figures; in evaluation zero and the embeddings."""
        embeddings = self.embed(batch["image"])
        if not self.training:
            return embeddings.new_zeros(()), embeddings
        embeddings, identities = self.of_all_processes(embeddings, batch["identity"])
        mined = triplet_loss(
            embeddings, identities, margin=self.margin, distance=self.distance, mining=self.mining
        )  # fmt: skip
        with torch.no_grad():
            rows = distances(embeddings, embeddings, self.distance)
            means = mean_distances(rows, *pair_masks(identities))
            figures = torch.cat([torch.stack([mined.active.to(rows.dtype), spread(embeddings)]), means])
        return mined.loss, {"batch_figures": figures}

    def on_train_epoch_end(self) -> None:
        """Log the epoch's figures, and say once where the embeddings collapse: all images in one place."""
        super().on_train_epoch_end()
        figures = self.trainer.callback_metrics
        loss, found = float(figures["train/loss"]), float(figures["train/embedding_spread"])
        if found < self.collapse_spread and abs(loss - self.margin) < 0.1 * self.margin and not self._warned:
            self._warned = True
            log.warning(
                "The embeddings collapse: epoch %d has a loss of %.4f, which is about the margin (%g), and a spread of "
                "%.4f: all images lie in nearly one place. Lower optimizer.lr, warm up longer "
                "(scheduler.warmup_epochs), or type model.mining=semi_hard or all",
                *(self.current_epoch, loss, self.margin, found),
            )

    def probabilities(self, distances: Tensor) -> Tensor:
        """Return the logistic curve fitted to the validation pairs, which is 1/2 at the threshold."""
        return torch.sigmoid(self.slope.cpu() * (self.threshold.cpu() - distances))


@dataclass(frozen=True)
class TripletComparer:
    """Distances of embeddings, and equation (6.27) over all triplets."""

    margin: float
    distance: Distance
    figure: Literal["distance"] = "distance"

    def distances(self, left: Tensor, right: Tensor) -> Tensor:
        """Return the distances (N, M).

        Without noise where they are measured in double precision; gradients, which an explanation asks for, pass.
        """
        rows = distances(left, right, self.distance)
        if rows.dtype != torch.float64 or rows.requires_grad:
            return rows
        longest = 1.0 if self.distance == "cosine" else float((right - right.mean(0)).square().sum(-1).max())
        return without_noise(rows, longest)

    def figures_of(self, distances: Tensor) -> Tensor:
        """Return the distances."""
        return distances

    def loss_parts(self, rows: Tensor, same: Tensor, different: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of the triplets' losses and their number."""
        total, _, triplets = triplet_sum(rows, same, different, self.margin)
        return total.double()[None], triplets.double()[None]
