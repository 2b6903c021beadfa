"""How fast images come to the training step, beside what a user would write instead (python -m benchmarks.loader).

All deliver RandomResizedCrop(128, scale 0.35 to 1) and a horizontal flip of Imagenette's training images at 160 px, in
batches of 128, by a DataLoader with the same number of loader processes. torchvision's and timm's users get normalised
floats; ours are uint8, which are normalised on the device, as a row of its own shows.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Subset

from benchmarks.measure import Quartiles, machine, paired, ratios, table
from src.config import saved
from src.config.command import compose
from src.data.media.packed import Packed
from src.data.module import ImageData
from src.data.normalize import IMAGENET_MEAN, IMAGENET_STD
from src.data.transfer import Transfer
from src.data.worker import prepare_worker
from src.runs.training import open_data

SIZE, BATCH, SCALE, RATIO = 128, 128, (0.35, 1.0), (3 / 4, 4 / 3)
BARE = "bare cv2 over a memory map, DataLoader"
COMPETITORS = ("torchvision ImageFolder, PIL, v2", "torchvision decode_jpeg, v2 on tensors", "timm create_loader")

Measure = Callable[[], float]


def main(arguments: Sequence[str] = ()) -> str:
    """Return the section as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("DATA_ROOT"), help="folder with imagenette2-160")
    parser.add_argument("--cache", help="folder for the packed store; default: that of trainings")
    parser.add_argument("--images", type=int, default=2560, help="images of a measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args(arguments)
    if asked.data is None:
        return (
            "## Input pipeline\n\nnot measured: it needs Imagenette at 160 px; type --data FOLDER, or set DATA_ROOT\n"
        )
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    found = paired(candidates(Path(asked.data), asked.cache, asked.images, asked.workers), asked.rounds)
    fastest = max(COMPETITORS, key=lambda name: Quartiles.of(found[name]).median)
    rows = [
        (
            name,
            Quartiles.of(rates).shown(",.0f"),
            ratios(found, name, fastest).shown(".2f"),
            ratios(found, name, BARE).shown(".2f"),
        )
        for name, rates in found.items()
    ]
    columns = ("images per second: median (quartiles)", "", f"to {fastest}", f"to {BARE}")
    processes = f"{asked.workers} loader process{'es' * (asked.workers != 1)}"
    return (
        f"## Input pipeline\n\nImagenette 160, RandomResizedCrop({SIZE}) and flip, batches of {BATCH}, {processes}, "
        f"{asked.rounds} paired rounds of {asked.images} images. {machine()}\n\n"
        + table((columns[1], columns[0], *columns[2:]), rows)
        + "\n"
    )


def candidates(root: Path, cache: str | None, count: int, workers: int) -> dict[str, Measure]:
    """Return what is timed: each call goes once through `count` images and returns images per second."""
    packed, files = (opened(root, cache, store, workers, count) for store in ("packed", "files"))
    alone = opened(root, cache, "packed", 0, count)
    on_device = opened(root, cache, "device", 0, count)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    own = f"{workers} loader process{'es' * (workers != 1)}"
    indices = packed.splits["train"]
    store = packed.medium
    assert isinstance(store, Packed)
    bare = Bare(store, indices)
    folder = root / "imagenette2-160" / "train"
    order = np.random.default_rng(0)
    transfer = Transfer()
    theirs = [imagefolder(folder, count, workers, order), tensors(folder, count, workers, order)]
    theirs.append(timms(folder, count, workers, order))
    return {
        **{name: delivered(loader) for name, loader in zip(COMPETITORS, theirs, strict=True)},
        f"ours from files, {own}": delivered(files.train_dataloader()),
        f"ours from the store, {own}": delivered(packed.train_dataloader()),
        f"ours from the store, {own}, normalised": delivered(packed.train_dataloader(), packed.normalized),
        "ours from the store, in the training process": delivered(alone.train_dataloader()),
        f"ours, data.store=device ({device.type})": delivered(
            on_device.train_dataloader(), lambda batch: on_device.with_images(transfer(batch, device))
        ),
        BARE: delivered(plain_loader(bare, workers)),
        "bare cv2 over a memory map, a loop": looped(bare),
    }


def opened(root: Path, cache: str | None, store: str, workers: int, count: int) -> ImageData:
    """Return our data as a training has them, the first `count` training images in a drawn order."""
    typed = ["data=imagenette", f"data.root={root}", f"data.store={store}", f"data.num_workers={workers}"]
    typed += [f"data.image_size={SIZE}", f"data.batch_size={BATCH}", "augment=standard", "data.val_fraction=0"]
    data = open_data(saved.plain(compose("train", typed + ([f"data.cache_dir={cache}"] if cache else [])).config))
    data.open()
    data.splits["train"] = np.sort(np.random.default_rng(0).permutation(data.splits["train"])[:count])
    return data


def delivered(loader: Iterable[Any], finish: Callable[[Any], Any] | None = None) -> Measure:
    """Return a measurement of what arrives, from the first batch on: starting processes is not counted."""

    def measure() -> float:
        count, start = 0, 0.0
        for number, batch in enumerate(loader):
            ready = batch if finish is None else finish(batch)
            images = ready["image"] if isinstance(ready, dict) else ready[0]
            float(images.flatten()[-1])  # it is there, also where the device works on its own
            if number == 0:
                start = time.perf_counter()
            else:
                count += len(images)
        return count / (time.perf_counter() - start)

    return measure


def looped(dataset: Dataset[Any]) -> Measure:
    """Return a measurement of samples one by one, without a loader."""

    def measure() -> float:
        start = time.perf_counter()
        for number in range(len(dataset)):  # type: ignore[arg-type]
            dataset[number]
        return len(dataset) / (time.perf_counter() - start)  # type: ignore[arg-type]

    return measure


class Bare(Dataset[Any]):
    """The least that can be written: cv2's resize and flip of a memory map, a generator seeded for each sample."""

    def __init__(self, store: Packed, indices: np.ndarray[Any, Any]) -> None:
        self.index = store.index_of(indices.tolist()).tolist()
        self.file = store.folder / "images.u8"
        self.pixels = np.memmap(self.file, np.uint8, "r").view(np.ndarray)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        _, offset, height, width = self.index[number]
        image = self.pixels[offset : offset + height * width * 3].reshape(height, width, 3)
        numbers = random.Random(number)
        for _ in range(10):
            area = height * width * numbers.uniform(*SCALE)
            ratio = np.exp(numbers.uniform(np.log(RATIO[0]), np.log(RATIO[1])))
            w, h = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
            if w <= width and h <= height:
                break
        else:
            w = h = min(width, height)
        top, left = numbers.randint(0, height - h), numbers.randint(0, width - w)
        seen = cv2.resize(image[top : top + h, left : left + w], (SIZE, SIZE))
        if numbers.random() < 0.5:
            seen = cv2.flip(seen, 1)
        return torch.from_numpy(seen), 0


def plain_loader(dataset: Dataset[Any], workers: int, **options: Any) -> DataLoader[Any]:
    """Return torch's loader as it is used without us."""
    return DataLoader(
        dataset,
        BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=prepare_worker,
        **options,
    )


def imagefolder(folder: Path, count: int, workers: int, order: np.random.Generator) -> DataLoader[Any]:
    """Torchvision as its documentation has it: PIL, then v2 transforms."""
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    steps = [v2.RandomResizedCrop(SIZE, SCALE, RATIO), v2.RandomHorizontalFlip(), v2.ToImage()]
    steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)]
    return plain_loader(_some(ImageFolder(str(folder), v2.Compose(steps)), count, order), workers)


def tensors(folder: Path, count: int, workers: int, order: np.random.Generator) -> DataLoader[Any]:
    """Torchvision without PIL: decode_jpeg, then v2 transforms on uint8 tensors."""
    from torchvision.datasets import ImageFolder
    from torchvision.io import ImageReadMode, decode_jpeg, read_file
    from torchvision.transforms import v2

    steps = [v2.RandomResizedCrop(SIZE, SCALE, RATIO, antialias=True), v2.RandomHorizontalFlip()]
    steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)]

    def load(path: str) -> torch.Tensor:
        image: torch.Tensor = decode_jpeg(read_file(path), mode=ImageReadMode.RGB)
        return image

    return plain_loader(_some(ImageFolder(str(folder), v2.Compose(steps), loader=load), count, order), workers)


def timms(folder: Path, count: int, workers: int, order: np.random.Generator) -> Any:
    """Timm's own data set, transforms and loader."""
    from timm.data import create_loader
    from torchvision.datasets import ImageFolder

    return create_loader(
        _some(ImageFolder(str(folder)), count, order, timm=True),
        (3, SIZE, SIZE),
        BATCH,
        is_training=True,
        scale=SCALE,
        ratio=RATIO,
        hflip=0.5,
        interpolation="bilinear",
        num_workers=workers,
        persistent_workers=workers > 0,
        use_prefetcher=False,
        device=torch.device("cpu"),
    )


def _some(dataset: Any, count: int, order: np.random.Generator, *, timm: bool = False) -> Dataset[Any]:
    """Return a drawn part of a data set."""
    dataset.samples = [dataset.samples[number] for number in order.permutation(len(dataset))[:count]]
    if timm:  # create_loader sets `transform` on what it is given
        return dataset  # type: ignore[no-any-return]
    return Subset(dataset, range(len(dataset)))


if __name__ == "__main__":
    import sys

    print(main(sys.argv[1:]))
