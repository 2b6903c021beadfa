"""What a source of samples is: a format read from disk, or drawn, one dictionary per sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Sample = dict[str, Any]
"""Fixed keys: `image` uint8 (H, W, C) RGB, `index` int, `path` str, and those of `Source.targets`:

- `label` int, an index into `classes`; float32 (K,) of zeros and ones where the source is `multilabel`
- `box` float32 (4,), xyxy relative to the image in [0, 1], undefined where the label is `nothing`: a source with `box`
  and `label` has that class at index 0
- `boxes` float32 (N, 4) xyxy in pixels, `labels` int64 (N,), `masks` uint8 (N, H, W)
- `mask` int64 (H, W), a class per pixel, 255 = ignore
- `keypoints` float32 (K, 2) relative to the image, `visible` bool (K,)
- `identity` int, who it is; -1 for nobody
"""

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class BadRow:
    """An annotation that is wrong: where it stands (`boxes.csv:7`), and a clause that says why."""

    place: str
    reason: str


@dataclass(frozen=True)
class Pairs:
    """Pairs of samples to be told same or different (M,), each in one of several folds."""

    first: Indices
    second: Indices
    same: NDArray[np.bool_]
    fold: NDArray[np.int64]
    trains: bool = False
    """Whether the folds that are not tested are there to train on; else all pairs are a test, dealt into folds."""

    def of(self, fold: int) -> Indices:
        """Return the samples (N,) that the pairs of a fold name, sorted."""
        return self.within(self.fold == fold)

    def within(self, chosen: NDArray[np.bool_] | slice = slice(None)) -> Indices:
        """Return the samples (N,) that the chosen pairs name, by default all, sorted."""
        return np.union1d(self.first[chosen], self.second[chosen])


class Source(ABC):
    """Samples by index. Constructed cheaply; `prepare` may download, `setup` lists; `read` decodes one sample.

    `targets` is a literal in the class body: the configuration check reads it from the source text, without an import.
    """

    targets: ClassVar[tuple[str, ...]] = ()
    classes: tuple[str, ...] = ()
    """Names of the classes, known after `setup`."""
    channels: int = 3
    num_keypoints: int = 0
    flip_pairs: tuple[tuple[int, int], ...] | None = None
    """Which of `keypoints` trade places in a mirror image, such as ((0, 1),) for the left and the right eye; () for
    none of them. None: nobody has said so, and images with keypoints cannot be mirrored."""
    multilabel: bool = False
    image_size: int | None = None
    """The input size that suits this source, used where `data.image_size` and the weights say nothing; None: by the
    sizes of its images."""
    range: Literal["auto", "full"] | list[float] = "full"
    """What 0 and 255 stand for in images of more than 8 bits, as it was asked for."""
    span: tuple[float, float] | None = None
    """What it came to: the values that `read` makes 0 and 255; None: the full range of the file's type."""
    at_least: int | None = None
    """Pixels of the shorter side down to which `read` may reduce an image where decoding that is cheaper; None: never.
    Whoever reads brings it to `data.working_size` afterwards, so that a source may ignore this."""
    bad_rows: tuple[BadRow, ...] = ()
    """Annotations that `setup` left out because they are wrong; whether that stops the run is `data.on_bad_sample`."""
    remarks: tuple[str, ...] = ()
    """What a person should know of the data as they lie there: files left out, folders not used. Known after `setup`;
    they go to the log and the record."""
    square: bool = False
    """Whether all images are square already, so that evaluation needs no central crop."""

    def prepare(self) -> None:  # noqa: B027 - most sources have nothing to fetch
        """Fetch what is missing on disk. Called by one process at a time.

        Raises UserError where the data is neither there nor can be had, saying what to do instead.
        """

    @abstractmethod
    def setup(self) -> None:
        """List the samples without decoding any. Raises UserError where there are none, or a class is empty."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, index: int) -> Sample:
        """Return sample `index`, decoded. Raises `src.data.decode.Unreadable` with the reason where it cannot be."""

    @abstractmethod
    def labels(self) -> NDArray[np.int64]:
        """Return (N,) a class per sample for stratified splits and class counts, without decoding; -1 where unknown."""

    def label_sets(self) -> NDArray[np.bool_]:
        """Return (N, K) which classes each sample has, where the source is `multilabel`, without decoding."""
        raise NotImplementedError(f"{type(self).__name__} has one label per sample")

    def class_counts(self, indices: Indices) -> NDArray[np.int64]:
        """Return (K,) how many of the samples have each class; with several labels one may count for several."""
        if self.multilabel:
            return np.asarray(self.label_sets()[indices].sum(axis=0), np.int64)
        labels = self.labels()[indices]
        return np.bincount(labels[labels >= 0], minlength=len(self.classes)).astype(np.int64)

    def identities(self) -> NDArray[np.int64]:
        """Return (N,) who each sample shows, numbered in the source's order, without decoding; -1 for nobody."""
        raise NotImplementedError(f"{type(self).__name__} does not know who its samples show")

    def pairs(self) -> Pairs | None:
        """Return the pairs that a protocol of verification measures, where the source names any."""
        return None

    def triplets(self) -> Indices | None:
        """Return (T, 3) curated triplets of anchor, positive and negative, where the source names any."""
        return None

    @abstractmethod
    def splits(self) -> Mapping[str, Indices]:
        """Return the published splits: any of `train`, `val`, `test`, or `all` alone where none is published."""

    def path(self, index: int) -> Path | None:
        """Return the file behind a sample, or None where there is none."""
        return None

    def fingerprint(self, index: int) -> bytes:
        """Return bytes that change when the sample's content does; by default its file's content."""
        path = self.path(index)
        if path is None:
            raise NotImplementedError(f"{type(self).__name__} has samples without a file: it needs its own fingerprint")
        return path.read_bytes()


@runtime_checkable
class WithBoxes(Protocol):
    """A source that knows the one box of its samples before it decodes any."""

    def boxes(self, indices: Indices) -> NDArray[np.float32]:
        """Return (N, 4) `box` of samples, zeros where they show nothing."""

    def sizes(self, indices: Indices) -> NDArray[np.int64]:
        """Return (N, 2) the height and width of samples."""
