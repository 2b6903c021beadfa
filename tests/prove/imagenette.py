"""Real images: the quick experiment reaches its accuracy in its time."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.prove.promise import Promise, run

NETWORKS = ("vgg19", "efficientnet", "googlenet_bn", "squeezenet", "alexnet", "timm")


def promises() -> Iterator[Promise]:
    text = "experiment=imagenette_quick: test/accuracy"
    root = os.environ.get("DATA_ROOT")
    if root is None:
        yield Promise(text, "DATA_ROOT is not set", ">= 0.76", None)
        return
    quick = ("experiment=imagenette_quick", f"data.root={root}", "logger=csv")
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        run("train", *quick, f"run_dir={folder}/quick")
        seconds = time.monotonic() - start
        accuracy = json.loads(Path(folder, "quick", "metrics.json").read_text())["test/accuracy"]
        yield Promise(text, f"{accuracy:.4f}", ">= 0.76", accuracy >= 0.76)
        yield Promise("experiment=imagenette_quick: seconds", f"{seconds:.0f}", "<= 600", seconds <= 600)
        for name in NETWORKS:
            done = run("train", *quick, f"model={name}", "debug=step", f"run_dir={folder}/{name}", check=False)
            yield Promise(
                f"imagenette_quick model={name} starts", f"exit code {done.returncode}", "0", done.returncode == 0
            )
