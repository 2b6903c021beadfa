"""The comparison network on the embeddings of a siamese network (chapter, section 6.6, face recognition)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from src.losses.pairs import pair_loss, pair_loss_parts
from src.losses.triplet import pair_masks
from src.metrics.verification import Comparer
from src.models.base import Batch, Row
from src.models.verification import VerificationModel
from src.networks.comparison import ComparisonNetwork

AT_ONCE = 2**17
"""Pairs that the network compares at once in evaluation."""


class Comparison(VerificationModel):
    """The probability that two images show the same identity, learned on pairs of embeddings that stay as they are.

    The network and its parameters theta are those of a finished siamese run, `model.source`; a shallow network on two
    embeddings is trained as a binary classifier on all pairs of the batches of all processes together, same and
    different ones weighing equally. The distance of a pair is its logit of `different`.
    """

    source_models: ClassVar[tuple[str, ...]] = ("src.models.siamese.Siamese",)
    needs_source: ClassVar[bool] = True
    measure: ClassVar[str] = "logit of different"
    figures: ClassVar[tuple[str, ...]] = (
        "loss",
        "roc_auc",
        "equal_error_rate",
        "verification_accuracy",
        "tar_at_far_0.01",
        "tar_at_far_0.001",
        "recall_at_1",
        "embedding_spread",
        "same_probability",
        "different_probability",
    )
    from_source: ClassVar[tuple[str, ...]] = ("embedding_dim", "normalize")
    """Keys of which `auto` is what the source run has, and nothing else will do."""

    def __init__(
        self,
        *,
        embedding_dim: Annotated[int, Ge(1)] | Literal["auto"],
        normalize: bool | Literal["auto"],
        hidden: Annotated[int, Ge(1)],
        trainable: Literal["none"],
        **options: Any,
    ) -> None:
        assert embedding_dim != "auto", "settled when the run began"
        assert normalize != "auto", "settled when the run began"
        super().__init__(embedding_dim=embedding_dim, normalize=normalize, trainable=trainable, **options)
        self.comparison = ComparisonNetwork(embedding_dim, hidden, scale=embedding_dim**0.5 if normalize else 1.0)

    def comparer(self) -> Comparer:
        """Return the learned comparison, and its cross entropy over all pairs."""
        return LearnedComparer(self.comparison)

    def compute_loss(self, batch: Batch) -> tuple[Tensor, Any]:
        """Return the cross entropy of the pairs of a training batch; in evaluation zero and the embeddings."""
        embeddings = self.embed(batch["image"])
        if not self.training:
            return embeddings.new_zeros(()), embeddings
        embeddings, identities = self.of_all_processes(embeddings, batch["identity"])
        return pair_loss(self.comparison(embeddings, embeddings), *pair_masks(identities)), {}

    def probabilities(self, distances: Tensor) -> Tensor:
        """Return the probability of `same` that was learned, as many same as different pairs."""
        return torch.sigmoid(-distances)

    def shown_distance(self, distance: float, threshold: float) -> Row:
        """Return the probability from which on the answer is `same`."""
        return {"threshold": round(float(self.probabilities(torch.tensor(threshold, dtype=torch.float64))), 6)}


@dataclass(frozen=True)
class LearnedComparer:
    """Logits of `different` as distances, computed where the network is; told as probabilities of `same`."""

    network: ComparisonNetwork
    figure: Literal["probability"] = "probability"

    def figures_of(self, distances: Tensor) -> Tensor:
        """Return the probabilities of `same`."""
        return torch.sigmoid(-distances)

    def distances(self, left: Tensor, right: Tensor) -> Tensor:
        """Return the distances (N, M), in the precision and on the device of the embeddings.

        Gradients flow where the embeddings have any: an explanation asks what moves them.
        """
        weights = next(self.network.parameters())
        right_there = right.to(weights)
        wanted = torch.is_grad_enabled() and left.requires_grad
        with torch.set_grad_enabled(wanted), torch.autocast(weights.device.type, enabled=False):
            chunks = torch.split(left.to(weights), max(1, AT_ONCE // len(right)))
            parts = [-self.network(chunk, right_there) for chunk in chunks]
        return torch.cat(parts).to(left)

    def loss_parts(self, rows: Tensor, same: Tensor, different: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sums of the cross entropies of same and of different pairs, and their numbers."""
        return pair_loss_parts(-rows, same, different)
