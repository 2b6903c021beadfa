"""The triplet loss (chapter, equation 6.27) and the choice of triplets within a batch.

A triplet is an anchor a, a positive p (the same identity, another image) and a negative n (another identity); its loss
is max(0, d(a, p) - d(a, n) + alpha), with the squared Euclidean distance d of embeddings and the margin alpha.

A batch of B images holds of the order of B^3 triplets, but its losses need B x B memory only: a triplet counts where
d(a, n) < d(a, p) + alpha, so for every pair it is enough to know how many such triplets it is part of, and those counts
come from sorting each anchor's row of distances.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Distance = Literal["squared_euclidean", "cosine"]
Mining = Literal["all", "hard", "semi_hard", "curated"]


class Mined(NamedTuple):
    """The mean loss of the triplets that were chosen, and which share of those looked at has a loss above zero."""

    loss: Tensor
    active: Tensor


def triplet_loss(embeddings: Tensor, identities: Tensor, *, margin: float, distance: Distance, mining: Mining) -> Mined:
    """Return the loss of a batch of embeddings (B, D) with identities (B,).

    - `all`: every triplet of the batch; the mean over the active ones, those with a loss above zero (Hermans et al.
      2017, who found the mean over all of them to fade as training goes on);
    - `hard`: for every anchor its farthest positive and its nearest negative (the same paper, "batch hard");
    - `semi_hard`: every triplet whose negative is farther than the positive, but by less than the margin (Schroff et
      al. 2015); the mean over them. A pair of anchor and positive without such a negative takes no part;
    - `curated`: the rows are anchor, positive, negative, anchor, ...; the mean over all triplets, as in (6.27).

    Where there is no triplet to choose, the loss is zero, with a gradient of zero.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        embeddings = embeddings.float()
        if mining == "curated":
            return _curated(embeddings, margin, distance)
        rows = distances(embeddings, embeddings, distance)
        same, different = pair_masks(identities)
        if mining == "hard":
            return _hard(rows, same, different, margin)
        return _counted(rows, same, different, margin, semi_hard=mining == "semi_hard")


def distances(left: Tensor, right: Tensor, distance: Distance) -> Tensor:
    """Return the distances (N, M) of embeddings (N, D) and (M, D): squared Euclidean, or 1 - cosine.

    A product of matrices, which loses digits where embeddings are much farther from the origin than from each other;
    so the origin is moved to their middle first, which no distance notices.
    """
    if distance == "cosine":
        return 1 - F.normalize(left, dim=-1) @ F.normalize(right, dim=-1).T
    middle = right.detach().mean(0)
    left, right = left - middle, right - middle
    squares = left.square().sum(-1)[:, None] + right.square().sum(-1)
    return (squares - 2 * left @ right.T).clamp(min=0)


def row_distances(left: Tensor, right: Tensor, distance: Distance) -> Tensor:
    """Return the distances (N,) of embeddings (N, D) and (N, D), row by row."""
    if distance == "cosine":
        return 1 - F.cosine_similarity(left, right, dim=-1)
    return (left - right).square().sum(-1)


def pair_masks(identities: Tensor) -> tuple[Tensor, Tensor]:
    """Return which pairs (B, B) are two images of one identity, and which are of two identities."""
    equal = identities[:, None] == identities
    return equal & ~torch.eye(len(identities), dtype=torch.bool, device=identities.device), ~equal


def triplet_sum(rows: Tensor, same: Tensor, different: Tensor, margin: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sum of the losses of all triplets, how many are above zero, and how many triplets there are.

    `rows` (A, B) are the distances of A anchors to B images, of which the masks (A, B) say which are positives and
    which negatives.
    """
    as_positive, as_negative = _counts(rows.detach(), same, different, margin, semi_hard=False)
    return _weighted(rows, as_positive, as_negative, margin), as_positive.sum(), _triplets(same, different)


def _curated(embeddings: Tensor, margin: float, distance: Distance) -> Mined:
    anchor, positive, negative = embeddings[0::3], embeddings[1::3], embeddings[2::3]
    losses = F.relu(row_distances(anchor, positive, distance) - row_distances(anchor, negative, distance) + margin)
    return Mined(losses.mean(), (losses > 0).float().mean())


def _hard(rows: Tensor, same: Tensor, different: Tensor, margin: float) -> Mined:
    farthest = rows.masked_fill(~same, -torch.inf).amax(1)
    nearest = rows.masked_fill(~different, torch.inf).amin(1)
    anchors = same.any(1) & different.any(1)
    losses = F.relu(torch.where(anchors, farthest - nearest + margin, 0.0))
    return Mined(_share(losses.sum(), anchors.sum()), _share((losses > 0).sum(), anchors.sum()))


def _counted(rows: Tensor, same: Tensor, different: Tensor, margin: float, *, semi_hard: bool) -> Mined:
    as_positive, as_negative = _counts(rows.detach(), same, different, margin, semi_hard=semi_hard)
    active = as_positive.sum()
    total = _weighted(rows, as_positive, as_negative, margin)
    return Mined(_share(total, active), _share(active, _triplets(same, different)))


def _counts(rows: Tensor, same: Tensor, different: Tensor, margin: float, *, semi_hard: bool) -> tuple[Tensor, Tensor]:
    """Return of how many chosen triplets each pair (A, B) is the positive, and of how many the negative.

    Both counts compare the same floats, d(a, n) < d(a, p) + margin, so they agree to the last triplet.
    """
    width = rows.shape[1]
    reach = rows + margin
    negatives = rows.masked_fill(~different, torch.inf).sort(1).values
    positives = rows.masked_fill(~same, -torch.inf).sort(1).values
    reaches = reach.masked_fill(~same, -torch.inf).sort(1).values
    as_positive = torch.searchsorted(negatives, reach)  # negatives nearer than the reach of the pair
    as_negative = width - torch.searchsorted(reaches, rows, right=True)  # positives that reach beyond the pair
    if semi_hard:
        as_positive = as_positive - torch.searchsorted(negatives, rows, right=True)
        as_negative = as_negative - (width - torch.searchsorted(positives, rows))
    return as_positive * same, as_negative * different


def _weighted(rows: Tensor, as_positive: Tensor, as_negative: Tensor, margin: float) -> Tensor:
    """Return the sum of d(a, p) - d(a, n) + margin over the triplets that were counted."""
    return ((as_positive - as_negative) * rows).sum() + margin * as_positive.sum().to(rows.dtype)


def _triplets(same: Tensor, different: Tensor) -> Tensor:
    return (same.sum(1) * different.sum(1)).sum()


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """Return part / whole, zero where there is nothing."""
    return part / whole.clamp(min=1)
