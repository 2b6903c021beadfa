"""A run directory copied elsewhere evaluates to the last digit, and predicts the classes that the test found."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from src.config.build import build
from src.runs.session import reopen
from tests.prove.bits import SMALL
from tests.prove.promise import Promise, run


def promises() -> Iterator[Promise]:
    with tempfile.TemporaryDirectory() as folder:
        there, here = Path(folder, "there"), Path(folder, "elsewhere", "here")
        run("train", *SMALL, f"run_dir={there}")
        trained = json.loads((there / "metrics.json").read_text())
        shutil.copytree(there, here)
        shutil.rmtree(there)
        run("evaluate", f"run={here}")
        measured = json.loads((here / "evaluation-test.json").read_text())
        tests = {key: value for key, value in trained.items() if key.startswith("test/")}
        equal = all(measured[key] == value for key, value in tests.items())
        yield Promise(
            "a moved run evaluates to the same figures",
            "identical" if equal else f"{tests} {measured}",
            "identical",
            equal,
        )
        yield predicted(here, Path(folder, "images"))


def predicted(run_dir: Path, images: Path) -> Promise:
    """Predict the test split from files, with batches of 64 and of 1."""
    _, config = reopen(str(run_dir), ())
    source = build(config["data"]["source"])
    source.setup()
    images.mkdir()
    for index in source.splits()["test"]:
        cv2.imwrite(str(images / f"{index:05d}.png"), cv2.cvtColor(source.read(int(index))["image"], cv2.COLOR_RGB2BGR))
    tables = []
    for batch in (64, 1):
        output = images.parent / f"{batch}.csv"
        run("predict", f"run={run_dir}", f"input={images}", f"output={output}", f"batch_size={batch}")
        with output.open() as file:
            tables.append(list(csv.DictReader(file)))
    classes = [[row["class"] for row in table] for table in tables]
    truth = [source.classes[int(label)] for label in source.labels()[source.splits()["test"]]]
    accuracy = float(np.mean([found == true for found, true in zip(classes[0], truth, strict=True)]))
    expected = json.loads((run_dir / "evaluation-test.json").read_text())["test/accuracy"]
    columns = [key for key in tables[0][0] if key.startswith("p(")]
    apart = max(abs(float(a[key]) - float(b[key])) for a, b in zip(*tables, strict=True) for key in columns)
    kept = classes[0] == classes[1] and abs(accuracy - expected) < 1e-6 and apart <= 1e-4
    figure = f"accuracy of predict {accuracy:.4f}, of evaluate {expected:.4f}; probabilities apart {apart:.1e}"
    return Promise("predict on the split's images gives the same classes", figure, "equal; 1e-4", kept)
