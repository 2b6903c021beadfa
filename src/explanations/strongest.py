"""The images that excite each channel of a layer most, found in one pass that keeps no more than those."""

from __future__ import annotations

import torch
from torch import Tensor

SHARED = 1 / 3
"""The share of its best images up to which a channel is shown beside another."""


class Strongest:
    """The `best` strongest answers of each of C channels, with the image and the place of each.

    Memory is C x `best`, whatever the number of images. Of equal answers the earlier image counts, so the result does
    not depend on the batch size.
    """

    def __init__(self, channels: int, best: int) -> None:
        self.values = torch.full((channels, best), -torch.inf)
        self.images = torch.full((channels, best), -1)
        self.places = torch.full((channels, best), -1)
        self.count = 0
        self._sum = torch.zeros(channels, dtype=torch.float64)
        self._squares = torch.zeros(channels, dtype=torch.float64)

    def update(self, values: Tensor, places: Tensor, images: Tensor) -> None:
        """Take the strongest answers (B, C) of a batch with their places (B, C) and the images' numbers (B,)."""
        new = values.float().cpu()
        self.count += len(new)
        self._sum += new.double().sum(dim=0)
        self._squares += new.double().square().sum(dim=0)
        every = torch.cat([self.values, new.T], dim=1)
        order = torch.sort(every, dim=1, descending=True, stable=True).indices[:, : self.values.shape[1]]
        numbers = torch.cat([self.images, images[None].expand(len(every), -1)], dim=1)
        where = torch.cat([self.places, places.cpu().T], dim=1)
        self.values, self.images, self.places = (part.gather(1, order) for part in (every, numbers, where))

    def standing_out(self, number: int) -> list[int]:
        """Return the channels whose best images stand out most: their mean above that of all images, in deviations.

        One that is excited by much the same images as a channel before it comes after all others; one that answers to
        nothing is never among them.
        """
        mean = self._sum / self.count
        deviation = (self._squares / self.count - mean.square()).clamp(min=0).sqrt()
        found = self.images >= 0
        best = torch.where(found, self.values, 0).double().sum(dim=1) / found.sum(dim=1).clamp(min=1)
        apart = torch.where((deviation > 1e-12) & (best > 0), (best - mean) / deviation.clamp(min=1e-12), -torch.inf)
        order = torch.sort(apart, descending=True, stable=True).indices.tolist()
        answering = [channel for channel in order if bool(torch.isfinite(apart[channel]))]
        chosen: list[int] = []
        for channel in answering:
            if len(chosen) < number and all(self._shared(channel, other) <= SHARED for other in chosen):
                chosen.append(channel)
        return [*chosen, *(channel for channel in answering if channel not in chosen)][:number]

    def _shared(self, channel: int, other: int) -> float:
        """Return the share of a channel's best images that are also those of another."""
        own = self.images[channel][self.images[channel] >= 0]
        return float(torch.isin(own, self.images[other]).double().mean())
