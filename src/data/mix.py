"""Mixtures of two images of a batch and of their labels, on the device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor


def mix(images: Tensor, targets: Tensor, mixup: float, cutmix: float, random: Generator) -> tuple[Tensor, Tensor]:
    """Mix each of the images (B, C, H, W) with another of the batch, and the targets (B, K) in the same proportion.

    `mixup` and `cutmix` are alphas of the Beta distribution, 0 for off; with both, one is chosen for each batch.
    `random` lives on the CPU and gives a handful of numbers, so that a seed means the same on every device.
    """
    toss = float(torch.rand((), generator=random))
    use_mixup = toss < 0.5 if mixup and cutmix else bool(mixup)
    partner = torch.randperm(len(images), generator=random).to(images.device, non_blocking=True)
    share = beta(mixup if use_mixup else cutmix, random)
    if use_mixup:
        return mixed_up(images, targets, partner, share)
    corner = torch.rand(2, generator=random).tolist()
    return cut_and_mixed(images, targets, partner, share, (corner[0], corner[1]))


def mixed_up(images: Tensor, targets: Tensor, partner: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return share * own + (1 - share) * partner, of images and targets (Zhang et al. 2018, equation 1)."""
    return torch.lerp(images[partner], images, share), torch.lerp(targets[partner], targets, share)


def cut_and_mixed(
    images: Tensor, targets: Tensor, partner: Tensor, share: float, centre: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Paste a rectangle of the partner's image, of 1 - share of the area before it is clipped at the border.

    `centre` is its middle, relative (y, x). Targets are mixed by the area that was really pasted (Yun et al. 2019,
    section 3.1).
    """
    height, width = images.shape[-2:]
    side = (1 - share) ** 0.5
    half_height, half_width = round(height * side) // 2, round(width * side) // 2
    y, x = int(centre[0] * height), int(centre[1] * width)
    top, bottom = max(0, y - half_height), min(height, y + half_height)
    left, right = max(0, x - half_width), min(width, x + half_width)
    mixed = images.clone()
    mixed[..., top:bottom, left:right] = images[partner, :, top:bottom, left:right]
    kept = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, torch.lerp(targets[partner], targets, kept)


def beta(alpha: float, random: Generator) -> float:
    """Return a number drawn from Beta(alpha, alpha), by numpy: torch's own takes no generator."""
    seed = int(torch.randint(2**31, (), generator=random))
    return float(np.random.Generator(np.random.PCG64(seed)).beta(alpha, alpha))
