"""The small classic sets are read from their published formats, and never unpickled."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from src import download
from src.data.inspection import inspect
from src.data.sources.torchvision import CIFAR10, MNIST, FashionMNIST, read_idx
from src.errors import UserError

RANDOM = np.random.default_rng(0)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def digits(folder: Path, suffix: str = "") -> dict[str, np.ndarray]:
    """Write 20 training and 10 test digits in idx files; gzipped where `suffix` is .gz."""
    arrays = {}
    folder.mkdir(parents=True)
    for part, count in (("train", 20), ("t10k", 10)):
        arrays[f"{part}-images-idx3-ubyte"] = RANDOM.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = np.arange(count, dtype=np.uint8) % 10
    for name, array in arrays.items():
        (folder / f"{name}{suffix}").write_bytes(gzip.compress(idx(array)) if suffix else idx(array))
    return arrays


def cifar(folder: Path) -> np.ndarray:
    """Write four images in each of the six files of the binary version, and return them as (24, 32, 32, 3)."""
    folder.mkdir()
    images = RANDOM.integers(0, 256, (24, 32, 32, 3), np.uint8)
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
    for number, name in enumerate(names):
        part = images[4 * number : 4 * number + 4]
        rows = [bytes([label]) + image.transpose(2, 0, 1).tobytes() for label, image in enumerate(part)]
        (folder / name).write_bytes(b"".join(rows))
    return images


@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
def test_digits_are_as_written(tmp_path: Path, kind: type[MNIST]) -> None:
    arrays = digits(tmp_path / kind.__name__ / "raw")
    source = kind(str(tmp_path))
    source.prepare()
    source.setup()
    assert (len(source), source.channels, source.image_size, source.square) == (30, 1, 28, True)
    assert {name: indices.tolist() for name, indices in source.splits().items()} == {
        "train": list(range(20)),
        "test": list(range(20, 30)),
    }
    sample = source.read(23)
    np.testing.assert_array_equal(sample["image"][..., 0], arrays["t10k-images-idx3-ubyte"][3])
    assert (sample["label"], sample["index"], sample["path"]) == (3, 23, "test/3")
    assert len(source.classes) == 10


def test_digits_are_those_that_torchvision_reads(tmp_path: Path) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    digits(tmp_path / "MNIST/raw")
    source = MNIST(str(tmp_path / "MNIST"))
    source.setup()
    for train, split in ((True, "train"), (False, "test")):
        theirs = datasets.MNIST(tmp_path, train=train)
        ours = [source.read(index) for index in source.splits()[split]]
        np.testing.assert_array_equal(theirs.data.numpy(), np.stack([sample["image"][..., 0] for sample in ours]))
        assert theirs.targets.tolist() == [sample["label"] for sample in ours]


def test_packed_digits_put_there_by_hand_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    raw = tmp_path / "MNIST/raw"
    digits(raw, suffix=".gz")
    checksums = [(path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in sorted(raw.iterdir())]
    monkeypatch.setattr(datasets.MNIST, "resources", checksums)
    source = MNIST(str(tmp_path))
    source.prepare()
    source.setup()
    assert len(source) == 30


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-bin"])
def test_cifar_is_read_from_its_binary_version(tmp_path: Path, inside: str) -> None:
    images = cifar(tmp_path / "cifar-10-batches-bin")
    source = CIFAR10(str(tmp_path / inside))
    source.prepare()
    source.setup()
    assert {name: len(indices) for name, indices in source.splits().items()} == {"train": 20, "test": 4}
    assert source.labels().tolist() == [0, 1, 2, 3] * 6
    np.testing.assert_array_equal(np.stack([source.read(index)["image"] for index in range(24)]), images)


def test_classes_are_in_torchvisions_order() -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    assert list(FashionMNIST.classes) == datasets.FashionMNIST.classes
    assert [name.split(" - ")[0] for name in datasets.MNIST.classes] == list(MNIST.classes)


def test_pickles_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision.datasets")
    monkeypatch.setattr(download, "PAUSE", 0.0)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: nothing listens
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(UserError) as caught:
        CIFAR10(str(tmp_path)).prepare()
    for words in ("holds pickles and is not read", "cifar-10-binary.tar.gz (md5 c32a1d4ab5d03f1284b67883e8d87530)"):
        assert words in str(caught.value)


def test_the_digest_follows_pixels_and_labels(tmp_path: Path) -> None:
    digits(tmp_path / "MNIST/raw")

    def digest() -> str:
        source = MNIST(str(tmp_path))
        source.setup()
        return inspect(source, np.arange(len(source)), tmp_path / "cache").digest

    first = digest()
    assert digest() == first
    for name in ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        file = tmp_path / "MNIST/raw" / name
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert digest() != first
        file.write_bytes(whole)
    assert digest() == first


def test_workers_read_the_files_anew(tmp_path: Path) -> None:
    digits(tmp_path / "MNIST/raw")
    source = MNIST(str(tmp_path))
    source.setup()
    sent = pickle.dumps(source)
    assert len(sent) < 2000
    np.testing.assert_array_equal(pickle.loads(sent).read(7)["image"], source.read(7)["image"])


def test_what_is_read_may_be_written_to(tmp_path: Path) -> None:
    digits(tmp_path / "MNIST/raw")
    source = MNIST(str(tmp_path))
    source.setup()
    before = source.read(0)["image"].copy()
    source.read(0)["image"][:] = 0
    np.testing.assert_array_equal(source.read(0)["image"], before)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    digits(tmp_path / "MNIST/raw")
    images = tmp_path / "MNIST/raw/train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte: no idx file of bytes, or a truncated one"):
        MNIST(str(tmp_path)).setup()
    images.unlink()
    with pytest.raises(UserError, match="train-images-idx3-ubyte: No such file"):
        MNIST(str(tmp_path)).setup()
    cifar(tmp_path / "cifar-10-batches-bin")
    batch = tmp_path / "cifar-10-batches-bin/data_batch_3.bin"
    batch.write_bytes(batch.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"data_batch_3\.bin: 12291 bytes are no whole number"):
        CIFAR10(str(tmp_path)).setup()


@pytest.mark.parametrize(
    "content", [b"", b"\0\0", b"\0\0\x08\x03\0\0\0\1", b"\0\0\x0d\x01\0\0\0\1\0", b"no idx file at all"]
)
def test_no_idx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError, match="no idx file"):
        read_idx(tmp_path / "file")
