"""Each model as it comes learns more than the same network in a plain loop, at equal images, epochs and batches.

Small trainings, each of at most two minutes on one core: drawn shapes where the plain loop leaves chance on them, else
digits. Deep networks are taken in their smallest form. LeNet learns MNIST too, where DATA_ROOT has it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.digits import write_digits
from tests.prove.promise import Promise, run
from tests.training import on_top

PLAIN = ("optimizer=adam", "optimizer.lr=1e-3", "scheduler=constant", "augment=none")
"""What a beginner writes; the best weights by val are measured here too, which a plain loop would not even have."""
USUAL = ("data.batch_size=32", "threads=1", "logger=csv", "seed=0")
DIGITS = ("data=folder", "augment=none", "data.image_size=32", "trainer.max_epochs=5")
LARGE_DIGITS = ("data=folder", "augment=none", "data.image_size=64", "trainer.max_epochs=3")
SHAPES = (
    *("data=shapes", "augment=none", "data.image_size=32", "data.source.size=32", "data.source.train=1000"),
    "trainer.max_epochs=5",
)
SMALL_RESNET = ("network.depth=10", "network.layers=[1,1,1,1]", "network.stem=imagenet")
CLASSIFIERS = {
    "lenet": DIGITS,
    "conv4": ("network.widths=[32,32,32,32]", *SHAPES),
    "resnet": (*SMALL_RESNET, *SHAPES),
    "timm": SHAPES,
    "squeezenet": ("network.version=1.1", *DIGITS),
    "nin": ("network.stem=imagenet", *LARGE_DIGITS),
    "googlenet": DIGITS,
    "googlenet_bn": DIGITS,
    "bn_inception": DIGITS,
    "mobilenet": ("network.variant=v3_small", "network.stem=imagenet", *SHAPES, "trainer.max_epochs=20"),
    "efficientnet": ("network.stem=imagenet", *DIGITS),
    "convnext": ("network.stem=imagenet", *DIGITS),
    "alexnet": LARGE_DIGITS,
    "zfnet": LARGE_DIGITS,
    "vgg19": ("network.depth=11", *DIGITS),
}
"""`conv4` is `model=classifier network=conv4`. MobileNet's averages for evaluation need some 500 steps to be of use.
Inception-ResNet v2 is left out: it takes no image small enough.
"""
OTHERS = {
    "localizer": ("test/mean_iou", (*SMALL_RESNET, *SHAPES)),
    "siamese": ("test/roc_auc", (*SMALL_RESNET, *SHAPES)),
}
MNIST = 0.986
"""A beginner's accuracy on MNIST with LeNet after three epochs of Adam at 1e-3, with rectifiers and maxima."""


def promises() -> Iterator[Promise]:
    with tempfile.TemporaryDirectory() as folder:
        root = f"data.root={write_digits(Path(folder), 32)}"
        for name, typed in CLASSIFIERS.items():
            model = ("model=classifier", f"network={name}") if name == "conv4" else (f"model={name}",)
            place = (root,) if "data=folder" in typed else ()
            yield compared("test/accuracy", *model, *typed, *place)
    for name, (figure, typed) in OTHERS.items():
        yield compared(figure, f"model={name}", *typed)
    yield transferred()
    yield mnist()


def transferred() -> Promise:
    """Another drawing's shapes learned from 200 images, on the frozen features of a network that knows shapes."""
    with tempfile.TemporaryDirectory() as folder:
        run("train", *on_top(USUAL, ("model=resnet", *SMALL_RESNET, *SHAPES)), f"run_dir={folder}/source")
        drawing = ("data.source.seed=1", "data.source.train=200", "trainer.max_epochs=20")
        return compared("test/accuracy", "model=transfer", f"model.source={folder}/source", *SHAPES, *drawing)


def mnist() -> Promise:
    """LeNet on the real digits."""
    text = "python -m src.train model=lenet data=mnist trainer.max_epochs=3: test/accuracy"
    root = os.environ.get("DATA_ROOT")
    if root is None or not Path(root, "MNIST").is_dir():
        return Promise(text, "no MNIST below DATA_ROOT", f">= {MNIST}", None)
    typed = ("model=lenet", "data=mnist", f"data.root={root}", "trainer.max_epochs=3", "augment=none", "logger=csv")
    accuracy = trained(*typed)["test/accuracy"]
    return Promise(text, f"{accuracy:.4f}", f">= {MNIST}", accuracy >= MNIST)


def compared(figure: str, *typed: str) -> Promise:
    """Return a model's figure as it comes, which must be above that of the same training the plain way."""
    ours, plain = trained(*on_top(USUAL, typed))[figure], trained(*on_top(USUAL, (*typed, *PLAIN)))[figure]
    text = f"python -m src.train {' '.join(on_top(USUAL, typed))}: {figure}"
    return Promise(text, f"{ours:.4f}", f"> {plain:.4f}, the plain way", ours > plain)


def trained(*typed: str) -> Mapping[str, float]:
    """Return the figures of a training by the command line."""
    with tempfile.TemporaryDirectory() as folder:
        run("train", *typed, f"run_dir={folder}/run")
        figures: dict[str, float] = json.loads(Path(folder, "run", "metrics.json").read_text())
    return figures
