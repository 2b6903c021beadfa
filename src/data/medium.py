"""Where the samples of a source are read from. The medium never changes a pixel, a target or an order."""

from __future__ import annotations

from abc import ABC, abstractmethod

from src.data.sources.base import Sample, Source


class Medium(ABC):
    """Samples by their index in the source. Crosses to loader processes, so it pickles and opens its files lazily."""

    @abstractmethod
    def read(self, index: int) -> Sample:
        """Return sample `index` with all its targets. Raises `src.data.decode.Unreadable` where it cannot be had."""


class Files(Medium):
    """The source itself: every sample is decoded, or drawn, each time."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def read(self, index: int) -> Sample:
        """Return the sample as the source reads it."""
        return self.source.read(index)
