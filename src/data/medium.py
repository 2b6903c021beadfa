"""Where the samples of a source are read from. The medium never changes a pixel, a target or an order."""

from __future__ import annotations

from abc import ABC, abstractmethod

from src.data.sources.base import Sample, Source
from src.data.working import WorkingSize


class Medium(ABC):
    """Samples by their index in the source. Crosses to loader processes, so it pickles and opens its files lazily."""

    decodes: bool = True
    """Whether reading costs so much that loader processes pay: `data.num_workers=auto` asks."""

    @abstractmethod
    def read(self, index: int) -> Sample:
        """Return sample `index` with all its targets. Raises `src.data.decode.Unreadable` where it cannot be had.

        `image` may be read-only, and a view of more than this sample: it is copied by whoever changes it. A medium that
        is fast leaves `path` out: `name_of` has it.
        """

    def name_of(self, index: int) -> str:
        """Return what an error calls a sample: its file, where the medium knows one."""
        return f"sample {index}"


class Files(Medium):
    """The source itself: every sample is decoded, or drawn, each time, and brought to the working size."""

    def __init__(self, source: Source, working: WorkingSize | None = None) -> None:
        self.source, self.working = source, working
        source.at_least = None if working is None else working.side

    def read(self, index: int) -> Sample:
        """Return the sample as the source reads it, at the working size."""
        sample = self.source.read(index)
        return sample if self.working is None else self.working.fitted(sample)
