"""What a pass over a packed store adds to each process's own memory (python -m benchmarks.memory).

A store larger than a tenth of the machine's memory is made of random pixels, read once in a drawn order as a training
does, and removed. Own memory is what Linux calls private and dirty: pages of the store that are mapped are neither,
since the system can drop them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import machine, table
from src.data.augmentation import Augmentation
from src.data.media.packed import Packed
from src.data.module import ImageData
from src.data.sources.base import Indices, Sample, Source

HEIGHT, WIDTH, SIZE, BATCH, WORKERS = 160, 213, 128, 64, 2


class Noise(Source):
    """Images cut out of one block of random values: as many as wanted, in no time, and no two alike."""

    targets: ClassVar[tuple[str, ...]] = ("label",)
    classes = ("a", "b")

    def __init__(self, count: int, height: int = HEIGHT, width: int = WIDTH) -> None:
        self.count, self.shape = count, (height, width, 3)
        self._block = np.random.default_rng(0).integers(0, 256, 2 * height * width * 3, np.uint8)

    def setup(self) -> None:
        """There is nothing to list."""

    def __len__(self) -> int:
        return self.count

    def read(self, index: int) -> Sample:
        """Return a part of the block."""
        size = int(np.prod(self.shape))
        start = index * 7919 % size
        image = self._block[start : start + size].reshape(self.shape)
        return {"image": image, "label": index % 2, "index": index}

    def labels(self) -> NDArray[np.int64]:
        """Return two classes in turn."""
        return np.arange(self.count) % 2

    def splits(self) -> Mapping[str, Indices]:
        """Return a training set, and a few images each for the rest."""
        few = max(2, self.count // 100)
        every = np.arange(self.count)
        return {"train": every[2 * few :], "val": every[:few], "test": every[few : 2 * few]}

    def fingerprint(self, index: int) -> bytes:
        """Return what a picture is a function of."""
        return f"{index} {self.shape}".encode()


@dataclass(frozen=True)
class Pass:
    """What a pass found: bytes of the store, of the batches ahead, and what each process's own memory grew by."""

    store: int
    ahead: int
    grown: dict[str, int]


def own_memory(process: int) -> int:
    """Return the bytes of a process that are its own and would have to be written away: Private_Dirty."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:")) * 1024


def one_pass(source: Source, cache: Path, *, image_size: int, batch_size: int, workers: int) -> Pass:
    """Read a whole store as a training does; own memory is compared between the fifth batch and the last."""
    augment = Augmentation(
        crop_scale=(0.35, 1.0),
        crop_ratio=(3 / 4, 4 / 3),
        horizontal_flip=0.5,
        vertical_flip=0.0,
        transforms={},
        mixup=0.0,
        cutmix=0.0,
        lost_object="nothing",
        min_box_share=0.3,
    )
    options: dict[str, Any] = {"val_fraction": 0.1, "test_fraction": 0.1, "folds": 5, "fold": None, "limit": None}
    options |= {
        "train_per_class": None,
        "on_rare_class": "stop",
        "normalize": "none",
        "eval_crop": 1.0,
        "on_bad_sample": "stop",
        "repeated": "keep",
        "seed": 0,
    }
    data = ImageData(
        source=source,
        root=".",
        image_size=image_size,
        batch_size=batch_size,
        num_workers=workers,
        working_size=None,
        working_shape="keep",
        store="packed",
        store_budget=0.0,
        stream=None,
        stream_cache=1.0,
        shuffle_window=None,
        cache_dir=str(cache),
        augment=augment,
        **options,
    )
    data.open()
    assert isinstance(data.medium, Packed)
    batches = iter(data.train_dataloader())
    for _ in range(5):
        next(batches)
    processes = {"training process": os.getpid()}
    processes |= {f"loader process {n}": process for n, process in enumerate(children(os.getpid()))}
    before = {name: own_memory(process) for name, process in processes.items()}
    for batch in batches:  # noqa: B007 - the last one is held
        pass
    after = {name: own_memory(process) for name, process in processes.items()}
    each = batch_size * image_size * image_size * source.channels
    ahead = each * data.batches_ahead * max(1, workers)
    return Pass(data.medium.bytes, ahead, {name: after[name] - before[name] for name in processes})


def children(process: int) -> list[int]:
    """Return the processes that a process has started."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return sorted(int(word) for thread in threads for word in (thread / "children").read_text().split())


def main(arguments: Sequence[str] = ()) -> str:
    """Return the section as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=0.11, help="size of the store as a share of the memory")
    asked = parser.parse_args(arguments)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    count = int(asked.share * memory / (HEIGHT * WIDTH * 3))
    with tempfile.TemporaryDirectory() as folder:
        found = one_pass(Noise(count), Path(folder), image_size=SIZE, batch_size=BATCH, workers=WORKERS)
    rows = [(name, f"{grown / 2**20:.1f}") for name, grown in found.grown.items()]
    return (
        f"## Memory\n\nOne pass over a packed store of {found.store / 2**30:.1f} GiB, {found.store / memory:.2f} of "
        f"the memory, with {WORKERS} loader processes, whose batches ahead take {found.ahead / 2**20:.1f} MiB. "
        f"{machine()}\n\n" + table(("process", "own memory gained, MiB"), rows) + "\n"
    )


if __name__ == "__main__":
    import sys

    print(main(sys.argv[1:]))
