"""What a method is given to explain with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import Tensor

from src.explanations.images import Images, Item
from src.explanations.output import Output
from src.explanations.subject import Subject


class Method(Protocol):
    """A way to explain. What it can do without, and whether it compares images, is read from the source text."""

    needs_images: ClassVar[bool] = True
    needs_network: ClassVar[bool] = True
    compares: ClassVar[bool] = False
    """Whether it explains what makes two images the same, with a model that says so."""

    def explain(self, given: Given) -> str | None:
        """Write pictures and numbers; returns what is to be printed besides."""


@dataclass(frozen=True)
class Given:
    """The network, the images, the image that each is compared with, and where the explanation goes."""

    output: Output
    network: Subject | None
    pictures: Images | None
    anchor: Item | None
    batch_size: int
    num_workers: int

    @property
    def subject(self) -> Subject:
        """Return the network, of a method that needs one."""
        assert self.network is not None
        return self.network

    @property
    def images(self) -> Images:
        """Return the images, of a method that needs them."""
        assert self.pictures is not None
        return self.pictures

    def batches(self) -> Iterator[tuple[Sequence[Item], Tensor]]:
        """Yield all images in order, in batches; see `Images.batches`."""
        return self.images.batches(self.batch_size, self.num_workers)

    def compared(self, limit: int | None) -> Iterator[tuple[Item, Item | None, str]]:
        """Yield each image with what it is compared with, and what to add to the name of its picture.

        Without an anchor an image stands alone. With one, what makes the two the same lies in both: each is explained
        while the other stays as it is.
        """
        for item in self.images.evenly(limit):
            yield item, self.anchor, ""
            if self.anchor is not None:
                other = self.anchor
                yield Item(item.position, other.name, other.whole, other.seen, other.view), item, "-anchor"
