"""What a training imports before its first step."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

UNUSED = (
    *("scipy.signal", "wandb", "tensorboard", "sklearn", "matplotlib", "optuna", "timm", "albumentations", "pandas"),
    *("jinja2", "litdata", "dvc", "onnx", "jsonargparse"),
)


def modules_after(code: str) -> set[str]:
    """Return the modules that a fresh Python holds after some code."""
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_training_imports_nothing_that_it_does_not_use():
    recipe = "from src.runs import session; session.prepare_process(1); import src.runs.training, src.models.classifier"
    held = modules_after(recipe)
    assert {"torch", "pytorch_lightning", "torchmetrics"} <= held
    assert held & set(UNUSED) == set()


def test_what_was_left_out_can_still_be_imported():
    code = "from src.runs.imports import import_lightning; import_lightning(); import scipy.signal, torchmetrics\n"
    assert "scipy.signal" in modules_after(code + "assert scipy.signal.windows.hamming(3).shape == (3,)")


def test_a_metric_can_still_be_drawn():
    code = (
        "from src.runs.imports import import_lightning; import_lightning()\n"
        "import os; os.environ['MPLBACKEND'] = 'agg'\n"
        "from torchmetrics.classification import BinaryAccuracy; import torch\n"
        "metric = BinaryAccuracy(); metric.update(torch.tensor([1]), torch.tensor([1]))\n"
        "figure, axes = metric.plot(); import matplotlib.figure\n"
        "assert isinstance(figure, matplotlib.figure.Figure)"
    )
    pytest.importorskip("matplotlib")
    assert "matplotlib.pyplot" in modules_after(code)
