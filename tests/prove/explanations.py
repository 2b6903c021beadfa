"""Real photographs with one box each: covering the object costs a classifier more than covering as much beside it."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from src.config import saved
from src.config.command import compose
from src.explanations.images import Item
from src.explanations.opening import opened
from src.explanations.output import Output
from src.explanations.subject import Subject
from tests.prove.promise import Promise, run

IMAGES = 200
CELL = 4
"""Pixels of the squares that are covered: as many inside the box as outside."""
TRAINING = (
    *("model=resnet", "network=conv4", "network.widths=[16,32,64,128]", "data=caltech", "data.image_size=64"),
    *("data.eval_crop=whole", "data.test_fraction=0.25", "augment=light", "trainer.max_epochs=5", "logger=csv"),
)


def promises() -> Iterator[Promise]:
    text = "Caltech: probability of the class, lost by covering inside the box more than by as much area outside"
    if "DATA_ROOT" not in os.environ:
        yield Promise(text, "DATA_ROOT is not set", "> 0, 95% interval", None)
        return
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder, "run")
        run("train", *TRAINING, f"data.root={os.environ['DATA_ROOT']}", f"run_dir={run_dir}")
        differences = np.array(list(paired_differences(run_dir)))
    mean = float(differences.mean())
    reach = 1.96 * float(differences.std(ddof=1)) / math.sqrt(len(differences))
    figure = f"{mean:.3f} ({mean - reach:.3f} to {mean + reach:.3f}, {len(differences)} images)"
    yield Promise(text, figure, "> 0, 95% interval", mean - reach > 0 and len(differences) == IMAGES)


def paired_differences(run_dir: Path) -> Iterator[float]:
    """Yield for test images how much more is lost inside the box than outside of it, until there are enough."""
    composed = compose("explain", [f"run={run_dir}", "method=occlusion", "split=test"])
    asked = saved.plain(composed.config)
    given = opened(
        asked, (), Output(run_dir, "occlusion"), needs_images=True, needs_network=True, untrained=False
    ).given  # fmt: skip
    order = np.random.default_rng(0).permutation(len(given.images))
    found = 0
    for position in order:
        item = given.images.item(int(position))
        if item.box is None or found == IMAGES:
            continue
        masks = equal_masks(item, np.random.default_rng(int(position)))
        if masks is not None:
            found += 1
            inside, outside = probabilities(given.subject, item, masks)
            yield outside - inside


def equal_masks(item: Item, random: np.random.Generator) -> torch.Tensor | None:
    """Return what to cover (2, 1, S, S), inside and outside, in squares of one size and of equal number.

    Where the box takes up more than half, as many squares as there are outside are drawn inside. None where the box
    leaves nothing, or has no square of its own.
    """
    assert item.box is not None
    count = len(item.seen) // CELL
    centres = (np.arange(count) + 0.5) / count
    x0, y0, x1, y1 = item.box
    within = ((centres >= y0) & (centres < y1))[:, None] & ((centres >= x0) & (centres < x1))
    sides = [np.flatnonzero(within), np.flatnonzero(~within)]
    number = min(map(len, sides))
    if not number:
        return None
    masks = np.zeros((2, count * count), bool)
    for mask, squares in zip(masks, sides, strict=True):
        mask[random.choice(squares, number, replace=False)] = True
    large = masks.reshape(2, 1, count, count).repeat(CELL, axis=2).repeat(CELL, axis=3)
    return torch.from_numpy(large)


def probabilities(subject: Subject, item: Item, masks: torch.Tensor) -> tuple[float, float]:
    """Return the probability of the image's class with each of the two masks in the mean colour."""
    with torch.inference_mode():
        hidden = torch.where(masks.to(subject.device), 0.0, subject.normalized(item.batch))
        inside, outside = subject.predicted(hidden)["probabilities"][:, item.label].tolist()
    return inside, outside
