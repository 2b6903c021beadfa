"""CIFAR-10, MNIST and Fashion-MNIST: small square images in a few files, as torchvision keeps them on disk.

Addresses and checksums are torchvision's own. Of CIFAR-10 the binary version is read: torchvision's holds pickles,
which are programs, and no program of a stranger is run here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from src.data.sources.base import Indices, Sample, Source
from src.download import Remote, fetch
from src.errors import UserError

_Part = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Images (N, H, W, C) and labels (N,)."""


class _InMemory(Source):
    """Train and test as two arrays; a process of the loader reads them anew rather than have them sent."""

    targets: ClassVar[tuple[str, ...]] = ("label",)
    square = True

    def __init__(self, root: str) -> None:
        self.root = Path(root).expanduser()
        self._images: NDArray[np.uint8] | None = None  # (N, H, W, C)
        self._labels: NDArray[np.int64] = np.empty(0, np.int64)
        self._train = 0

    @abstractmethod
    def _load(self) -> tuple[_Part, _Part]:
        """Read the files of train and of test."""

    def setup(self) -> None:
        """Read all images. Raises UserError where a file is missing or of the wrong size."""
        train, test = self._load()
        self._images = np.concatenate([train[0], test[0]])
        self._labels = np.concatenate([train[1], test[1]]).astype(np.int64)
        self._train = len(train[0])
        if self._labels.max(initial=0) >= len(self.classes):
            raise UserError(f"data.root={self.root}: label {self._labels.max()} where {len(self.classes)} are known")

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_images": None}

    def __len__(self) -> int:
        return len(self._labels)

    def read(self, index: int) -> Sample:
        """Return a copy of one image."""
        split, number = ("train", index) if index < self._train else ("test", index - self._train)
        label = int(self._labels[index])
        return {"image": self._pixels()[index].copy(), "label": label, "index": index, "path": f"{split}/{number}"}

    def labels(self) -> NDArray[np.int64]:
        """Return the class of every image."""
        return self._labels

    def splits(self) -> Mapping[str, Indices]:
        """Return train and test as published."""
        return {"train": np.arange(self._train), "test": np.arange(self._train, len(self))}

    def fingerprint(self, index: int) -> bytes:
        """Return the pixels."""
        return bytes(self._pixels()[index].tobytes())

    def _pixels(self) -> NDArray[np.uint8]:
        if self._images is None:  # in a spawned process
            self.setup()
            assert self._images is not None
        return self._images


class CIFAR10(_InMemory):
    """60,000 colour images of 32 px in ten classes (Krizhevsky 2009, cs.toronto.edu/~kriz/cifar.html)."""

    image_size = 32
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    _folder: ClassVar[str] = "cifar-10-batches-bin"
    _md5: ClassVar[str] = "c32a1d4ab5d03f1284b67883e8d87530"

    def prepare(self) -> None:
        """Download the binary version into `root` unless its folder is there, or is `root`."""
        if self._place().is_dir():
            return
        from torchvision.datasets import CIFAR10 as Published

        url = Published.url.replace("python", "binary")
        try:
            fetch(Remote((url,), f"md5:{self._md5}"), self.root / self._folder)
        except UserError as error:
            pickles = "torchvision's cifar-10-batches-py holds pickles and is not read"
            raise UserError(f"data.root={self.root}: no {self._folder}/ in it ({pickles}), and {error}") from error

    def _place(self) -> Path:
        return self.root if (self.root / "data_batch_1.bin").is_file() else self.root / self._folder

    def _load(self) -> tuple[_Part, _Part]:
        parts = [self._read_batch(f"data_batch_{number}.bin") for number in range(1, 6)]
        images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return (images, labels), self._read_batch("test_batch.bin")

    def _read_batch(self, name: str) -> _Part:
        """Read records of a label and 32 x 32 red, green and blue values, row by row."""
        file, length = self._place() / name, 1 + 3 * 32 * 32
        data = _bytes_of(file)
        if not len(data) or len(data) % length:
            raise UserError(f"{file}: {len(data)} bytes are no whole number of records of {length}: delete its folder")
        records = data.reshape(-1, length)
        return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]


class MNIST(_InMemory):
    """70,000 handwritten digits of 28 px (LeCun, Cortes and Burges 1998, yann.lecun.com/exdb/mnist)."""

    channels = 1
    image_size = 28
    classes = tuple("0123456789")

    def prepare(self) -> None:
        """Download what is missing into `root/MNIST/raw`, torchvision's folder."""
        if all((self._place() / name).is_file() for part in ("train", "t10k") for name in _idx_names(part)):
            return
        from torchvision import datasets

        published = getattr(datasets, type(self).__name__)
        for name, md5 in published.resources:
            urls = tuple(f"{mirror}{name}" for mirror in published.mirrors)
            fetch(Remote(urls, f"md5:{md5}"), self._place() / Path(name).stem)

    def _place(self) -> Path:
        name = type(self).__name__
        return (self.root if self.root.absolute().name == name else self.root / name) / "raw"

    def _load(self) -> tuple[_Part, _Part]:
        return self._read_part("train"), self._read_part("t10k")

    def _read_part(self, part: str) -> _Part:
        images, labels = (read_idx(self._place() / name) for name in _idx_names(part))
        if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
            raise UserError(f"{self._place()}: images {images.shape} and labels {labels.shape} of {part} do not match")
        return images[..., None], labels


class FashionMNIST(MNIST):
    """70,000 articles of clothing of 28 px, in MNIST's form (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747)."""

    classes = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def read_idx(file: Path) -> NDArray[np.uint8]:
    """Read an array of bytes in MNIST's format: 0, 0, 8 (uint8), the number of axes, their lengths as big-endian int32.

    Raises UserError where the file is missing, of another type, or not as long as it says.
    """
    data = _bytes_of(file)
    header = 4 + 4 * int(data[3]) if len(data) >= 4 else 4
    shape = tuple(int(length) for length in data[4:header].view(">i4")) if len(data) >= header else ()
    if data[:3].tolist() != [0, 0, 8] or len(data) != header + int(np.prod(shape)):
        raise UserError(f"{file}: no idx file of bytes, or a truncated one: delete it, and it is downloaded again")
    return data[header:].reshape(shape)


def _idx_names(part: str) -> tuple[str, str]:
    return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"


def _bytes_of(file: Path) -> NDArray[np.uint8]:
    try:
        return np.fromfile(file, np.uint8)
    except OSError as error:
        raise UserError(f"{file}: {error.strerror or error}") from None
