"""Pictures drawn by the program itself, from a seed, with every target: the embedded default, and what tests run on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from random import Random
from typing import Annotated, ClassVar

import cv2
import numpy as np
from annotated_types import Ge, Interval
from numpy.typing import NDArray

from src import seeds
from src.data.sources.base import Indices, Sample, Source
from src.data.sources.drawing import Scene, draw
from src.data.sources.kinds import KINDS, LANDMARKS
from src.data.sources.scenes import coats, compose

_GOLDEN_RATIO = 0.6180339887498949


class Shapes(Source):
    """Objects of seven kinds, or none, before patterned backgrounds and clutter, under noise.

    An individual is a kind with a coat (two colours and a pattern); each coat is worn by all kinds, so that colours
    say nothing of the kind. All individuals occur in all splits. A picture is a function of (seed, split, its number in
    the split): longer splits begin like shorter ones. With `max_objects` above 1, `label`, `box`, `keypoints` and
    `identity` are those of the largest object, and `masks`, `boxes` and `mask` leave out what another object covers.
    """

    targets: ClassVar[tuple[str, ...]] = (
        "label", "box", "boxes", "labels", "mask", "masks", "keypoints", "visible", "identity",
    )  # fmt: skip
    classes = ("nothing", *(kind.name for kind in KINDS))
    num_keypoints = len(LANDMARKS)
    flip_pairs = ((2, 4),)  # the right and the left end
    square = True
    image_size: int

    def __init__(
        self,
        *,
        size: Annotated[int, Ge(16)],
        train: Annotated[int, Ge(1)],
        val: Annotated[int, Ge(1)],
        test: Annotated[int, Ge(1)],
        identities: Annotated[int, Ge(7)],
        max_objects: Annotated[int, Interval(ge=1, le=20)],
        nothing: Annotated[float, Interval(ge=0, lt=1)],
        seed: Annotated[int, Ge(0)],
    ) -> None:
        self.image_size = size
        self.lengths = {"train": train, "val": val, "test": test}
        self.individuals, self.max_objects, self.nothing, self.seed = identities, max_objects, nothing, seed
        self.coats = coats(seed, -(-identities // len(KINDS)))
        self._boxes: dict[int, NDArray[np.float32]] = {}

    def setup(self) -> None:
        """There is nothing to list."""

    def __len__(self) -> int:
        return sum(self.lengths.values())

    def splits(self) -> Mapping[str, Indices]:
        """Return train, val and test, one after the other."""
        stops = np.cumsum(list(self.lengths.values()))
        return {
            name: np.arange(stop - length, stop)
            for (name, length), stop in zip(self.lengths.items(), stops, strict=True)
        }

    def labels(self) -> NDArray[np.int64]:
        """Return the class of each picture, without drawing."""
        return self._labels(self.identities())

    def identities(self) -> NDArray[np.int64]:
        """Return who is the (largest) object of each picture, -1 for nobody, without drawing."""
        return np.concatenate([self._individuals(name, np.arange(n)) for name, n in self.lengths.items()])

    def read(self, index: int) -> Sample:
        """Draw picture `index` and what is known of it."""
        split, number = self._locate(index)
        identity = int(self._individuals(split, np.array([number]))[0])
        random = Random(seeds.stream(self.seed, "shapes", split, number))
        size = self.image_size
        scene, identities = compose(random, identity, self.individuals, self.coats, self.max_objects)
        image, owner = draw(scene, size, random.randbytes(3 * size * size))
        sample: Sample = {"image": image, "index": index, "path": f"shapes:{split}/{number}", "identity": identity}
        return sample | self._targets(scene, np.array(identities, np.int64), owner)

    def fingerprint(self, index: int) -> bytes:
        """Return a digest of the drawn pixels and of the targets."""
        digest = hashlib.blake2b(digest_size=16)
        sample = self.read(index)
        self._boxes[index] = sample["box"]
        for key in ("image", *self.targets):
            digest.update(np.asarray(sample[key]).tobytes())
        return digest.digest()

    def boxes(self, indices: Indices) -> NDArray[np.float32]:
        """Return the box of each picture; of those that had their fingerprint taken it is remembered."""
        known = (self._boxes.get(index) for index in indices.tolist())
        boxes = [self.read(index)["box"] if box is None else box for index, box in zip(indices, known, strict=True)]
        return np.array(boxes, np.float32).reshape(-1, 4)

    def sizes(self, indices: Indices) -> NDArray[np.int64]:
        """Return the height and width of each picture."""
        return np.full((len(indices), 2), self.image_size)

    def _targets(self, scene: Scene, identities: NDArray[np.int64], owner: NDArray[np.int8]) -> Sample:
        size, labels = self.image_size, self._labels(identities)
        masks = (owner == np.arange(len(labels), dtype=np.int8)[:, None, None]).astype(np.uint8)
        boxes = np.zeros((len(labels), 4), np.float32)
        for box, mask in zip(boxes, masks, strict=True):
            x, y, width, height = cv2.boundingRect(mask)
            box[:] = x, y, x + width, y + height
        found = len(labels) > 0
        keypoints = scene.figures[0].landmarks if found else np.zeros((len(LANDMARKS), 2))
        return {
            "label": int(labels[0]) if found else 0,
            "box": boxes[0] / size if found else np.zeros(4, np.float32),
            "boxes": boxes,
            "labels": labels,
            "masks": masks,
            "mask": np.append(labels, 0)[owner],  # owner -1 is the last
            "keypoints": keypoints.astype(np.float32),
            "visible": np.full(len(LANDMARKS), found),
        }

    def _individuals(self, split: str, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return who is the (largest) object of pictures of a split, -1 for nobody.

        Multiples of the golden ratio fill the unit interval evenly, so any stretch of pictures has its share of each.
        """
        start = Random(seeds.stream(self.seed, "individuals", split)).random()
        position = (start + numbers * _GOLDEN_RATIO) % 1.0
        individuals = np.floor((position - self.nothing) / (1 - self.nothing) * self.individuals)
        return np.asarray(np.clip(individuals, -1, self.individuals - 1), np.int64)

    @staticmethod
    def _labels(identities: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(identities < 0, 0, 1 + identities % len(KINDS))

    def _locate(self, index: int) -> tuple[str, int]:
        number = index
        for split, length in self.lengths.items():
            if 0 <= number < length:
                return split, number
            number -= length
        raise IndexError(f"picture {index} of {len(self)}")
