"""The comparison network: are two embeddings of the same identity? (chapter, section 6.6, face recognition)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ComparisonNetwork(nn.Module):
    """Two embeddings to one logit of `same`, the same whichever comes first.

    Two dense layers on how far the embeddings are apart in each dimension and on the products of their components; of
    Taigman et al. 2014 (DeepFace, section 4), which weighs the former, and the cosine, which sums the latter, it can be
    either. Embeddings of length one are made `scale` times as long, so that their components are of the order of one.
    """

    def __init__(self, embedding_dim: int, hidden: int, *, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.layers = nn.Sequential(nn.Linear(2 * embedding_dim, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return the logits (N, M) of all pairs of embeddings (N, D) and (M, D)."""
        left, right = self.scale * left[:, None], self.scale * right[None]
        logits: Tensor = self.layers(torch.cat([(left - right).abs(), left * right], dim=-1))
        return logits.squeeze(-1)
