"""Each model as it comes learns more than the same network in a plain loop, at equal images, epochs and batches.

Drawn shapes, at the smallest size that each network takes well, few images and few epochs: minutes on a GPU, an hour or
two on two cores. LeNet learns digits where DATA_ROOT has MNIST.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.plain_loop import plain_accuracy
from tests.prove.promise import Promise, run

SIZES = {
    "conv4": 32, "lenet": 32, "resnet": 64, "mobilenet": 64, "efficientnet": 64, "convnext": 32, "squeezenet": 64,
    "nin": 32, "alexnet": 64, "zfnet": 64, "vgg19": 32, "googlenet": 64, "googlenet_bn": 64, "bn_inception": 64,
    "timm": 64, "inception_resnet": 96,
}  # fmt: skip
"""Pixels of the pictures by model; `conv4` is `model=classifier network=conv4`."""
IMAGES = {"inception_resnet": 640}
USUAL = 1600
EPOCHS = 5
DIGITS = 0.986
"""A beginner's accuracy on MNIST with LeNet after three epochs of Adam at 1e-3, with rectifiers and maxima."""


def promises() -> Iterator[Promise]:
    for name, size in SIZES.items():
        model = ("model=classifier", f"network={name}") if name == "conv4" else (f"model={name}",)
        data = (f"data.source.size={size}", f"data.source.train={IMAGES.get(name, USUAL)}", f"data.image_size={size}")
        typed = (*model, *data, f"trainer.max_epochs={EPOCHS}", "logger=csv")
        ours = trained(*typed)
        with contextlib.redirect_stdout(io.StringIO()):
            plain = plain_accuracy(*typed)
        text = f"python -m src.train {' '.join(typed)}: test/accuracy"
        yield Promise(text, f"{ours:.4f}", f"> {plain:.4f}, a plain loop's", ours > plain)
    yield mnist()


def mnist() -> Promise:
    """LeNet on the real digits."""
    text = "python -m src.train model=lenet data=mnist trainer.max_epochs=3: test/accuracy"
    root = os.environ.get("DATA_ROOT")
    if root is None or not Path(root, "MNIST").is_dir():
        return Promise(text, "no MNIST below DATA_ROOT", f">= {DIGITS}", None)
    typed = ("model=lenet", "data=mnist", f"data.root={root}", "trainer.max_epochs=3", "augment=none", "logger=csv")
    accuracy = trained(*typed)
    return Promise(text, f"{accuracy:.4f}", f">= {DIGITS}", accuracy >= DIGITS)


def trained(*typed: str) -> float:
    """Return the test accuracy of a training by the command line."""
    with tempfile.TemporaryDirectory() as folder:
        run("train", *typed, f"run_dir={folder}/run")
        accuracy: float = json.loads(Path(folder, "run", "metrics.json").read_text())["test/accuracy"]
    return accuracy
