"""The images that excite each channel of a layer most, found in one pass that keeps no more than those."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

SHARED = 1 / 3
"""The share of its best images up to which a channel is shown beside another."""


class Strongest:
    """The `best` strongest answers of each of C channels, with the image, its label, and the place of each.

    Memory is C x `best`, whatever the number of images. Of equal answers the earlier image counts, so the result does
    not depend on the batch size.
    """

    def __init__(self, channels: int, best: int) -> None:
        self.values = torch.full((channels, best), -torch.inf)
        self.images = torch.full((channels, best), -1)
        self.places = torch.full((channels, best), -1)
        self.labels = torch.full((channels, best), -1)
        self.count = 0
        self._sum = torch.zeros(channels, dtype=torch.float64)
        self._squares = torch.zeros(channels, dtype=torch.float64)

    def update(self, values: Tensor, places: Tensor, images: Tensor, labels: Tensor) -> None:
        """Take the strongest answers (B, C) of a batch with their places (B, C), and the images' numbers (B,).

        `labels` (B,) are the classes of the images, -1 where they are not known.
        """
        new = values.float().cpu()
        self.count += len(new)
        self._sum += new.double().sum(dim=0)
        self._squares += new.double().square().sum(dim=0)
        every = torch.cat([self.values, new.T], dim=1)
        order = torch.sort(every, dim=1, descending=True, stable=True).indices[:, : self.values.shape[1]]
        numbers, classes = (
            torch.cat([kept, new_ones[None].expand(len(every), -1)], dim=1)
            for kept, new_ones in ((self.images, images), (self.labels, labels))
        )
        where = torch.cat([self.places, places.cpu().T], dim=1)
        self.values, self.images, self.labels, self.places = (
            part.gather(1, order) for part in (every, numbers, classes, where)
        )

    def standing_out(self) -> list[int]:
        """Return the channels by how far their best images stand out: their mean above that of all, in deviations.

        A channel that answers to nothing is not among them.
        """
        mean = self._sum / self.count
        deviation = (self._squares / self.count - mean.square()).clamp(min=0).sqrt()
        found = self.images >= 0
        best = torch.where(found, self.values, 0).double().sum(dim=1) / found.sum(dim=1).clamp(min=1)
        apart = torch.where((deviation > 1e-12) & (best > 0), (best - mean) / deviation.clamp(min=1e-12), -torch.inf)
        order: list[int] = torch.sort(apart, descending=True, stable=True).indices.tolist()
        return [channel for channel in order if bool(torch.isfinite(apart[channel]))]

    def best_of(self, channel: int) -> set[int]:
        """Return the numbers of a channel's best images."""
        return set(self.images[channel][self.images[channel] >= 0].tolist())

    def class_of(self, channel: int) -> int | None:
        """Return the class of more than half of a channel's best images, None where there is none."""
        labels = self.labels[channel][self.images[channel] >= 0]
        number, count = Counter(labels.tolist()).most_common(1)[0]
        return int(number) if number >= 0 and 2 * count > len(labels) else None


def worth_a_look(found: Mapping[str, Strongest], number: int) -> dict[str, list[int]]:
    """Return `number` channels of each layer that stand out and differ from those before them on the page.

    A network's channels answer to much the same few images, those of the strongest colours, more than to others. So
    first come channels whose images are of a class, and of another than those of all channels before, in whichever
    layer; then those that share at most `SHARED` of their images with one before; then all others.
    """
    classes: set[int] = set()
    images: list[set[int]] = []
    chosen: dict[str, list[int]] = {}
    for name, strongest in found.items():
        chosen[name] = []
        for different in (_of_another_class, _of_other_images, _whatever):
            for channel in strongest.standing_out():
                if len(chosen[name]) == number:
                    break
                if channel not in chosen[name] and different(strongest, channel, classes, images):
                    chosen[name].append(channel)
                    images.append(strongest.best_of(channel))
                    if (label := strongest.class_of(channel)) is not None:
                        classes.add(label)
    return chosen


def _of_another_class(strongest: Strongest, channel: int, classes: set[int], images: Sequence[set[int]]) -> bool:
    own = strongest.class_of(channel)
    return own is not None and own not in classes and _of_other_images(strongest, channel, classes, images)


def _of_other_images(strongest: Strongest, channel: int, classes: set[int], images: Sequence[set[int]]) -> bool:
    own = strongest.best_of(channel)
    return all(len(own & other) <= SHARED * len(own) for other in images)


def _whatever(strongest: Strongest, channel: int, classes: set[int], images: Sequence[set[int]]) -> bool:
    return True
