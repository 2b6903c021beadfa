"""Binary cross entropy over pairs, of which same and different ones weigh equally however many there are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def pair_loss(logits: Tensor, same: Tensor, different: Tensor) -> Tensor:
    """Return the loss of logits (A, B) that two images are of the same identity; the masks (A, B) say which are.

    The mean over same pairs and the mean over different ones, each by half; zero for a kind that is not there.
    """
    sums, counts = pair_loss_parts(logits, same, different)
    return (sums / counts.clamp(min=1)).mean()


def pair_loss_parts(logits: Tensor, same: Tensor, different: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sums (2,) of the losses of same and of different pairs, and how many there are of each."""
    sums = torch.stack([(F.softplus(-logits) * same).sum(), (F.softplus(logits) * different).sum()])
    return sums, torch.stack([same.sum(), different.sum()]).to(sums.dtype)
