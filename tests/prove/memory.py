"""What measuring costs in memory: many labels, and all pairs of many people."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests.prove.promise import ROOT, Promise, command

GIB = 2.0**30
IMAGES, LABELS = 10_000, 200
PEOPLE = (13_000, 5_700)
SHORT = (
    *("model=lenet", "data=csv", "data.image_size=28", "data.source.channels=1", "augment=none", "logger=csv"),
    *("threads=1", "trainer.max_epochs=1", "trainer.accelerator=cpu"),
)
VERIFIED = f"""
import torch
from src.metrics.verification import Verification
from src.models.siamese import TripletComparer
torch.set_num_threads(1)
images, people = {PEOPLE}
random = torch.Generator().manual_seed(0)
who = torch.cat([torch.arange(people), torch.randint(0, people, (images - people,), generator=random)])
near = torch.randn(people, 64, generator=random)[who] + torch.randn(images, 64, generator=random)
metric = Verification()
metric.comparer = TripletComparer(0.2, "squared_euclidean")
for part in torch.arange(images).split(64):
    metric.update(torch.nn.functional.normalize(near[part], dim=1), who[part], part)
metric.compute()
"""


def promises() -> Iterator[Promise]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        names = write_labels(data)
        env = {"XDG_CACHE_HOME": folder}
        one = peak(train(data, "data.source.label_column=one", f"run_dir={data}/one"), env)
        several = peak(train(data, f"data.source.label_column=[{','.join(names)}]", f"run_dir={data}/many"), env)
    yield Promise(
        f"{LABELS} labels of {IMAGES:,} images need little more memory than one label",
        f"{several - one:.2f} GiB more ({several:.2f} against {one:.2f})", "1.5 GiB more", several - one <= 1.5,
    )  # fmt: skip
    found = peak([sys.executable, "-c", VERIFIED])
    images, people = PEOPLE
    yield Promise(
        f"all pairs of {images:,} images of {people:,} people are measured in little memory",
        f"{found:.2f} GiB in all", "2 GiB", found <= 2,
    )  # fmt: skip


def write_labels(root: Path) -> list[str]:
    """Write small gray images, and a table with one label and with a column for each of several; return those."""
    random = np.random.default_rng(0)
    names = [f"c{number}" for number in range(LABELS)]
    sets = random.random((IMAGES, LABELS)) < np.geomspace(0.3, 0.002, LABELS)
    with (root / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "one", *names])
        for number in range(IMAGES):
            Image.fromarray(random.integers(0, 255, (28, 28), np.uint8)).save(root / f"{number}.png")
            table.writerow([f"{number}.png", "ab"[number % 2], *sets[number].astype(int)])
    return names


def train(data: Path, *overrides: str) -> list[str]:
    return command("train", *SHORT, f"data.root={data}", *overrides)


def peak(words: Sequence[str], env: dict[str, str] | None = None) -> float:
    """Return the most memory (GiB) that a program held; raises RuntimeError where it fails."""
    measured = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], capture_output=True, text=True); "
        "print(done.stderr[-2000:], file=sys.stderr); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measured, *words], cwd=ROOT, env=os.environ | (env or {}), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)[:200]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return int(done.stdout.split()[-1]) * 1024 / GIB
