"""Whether two finished runs came out the same: every tensor of the weights, every figure."""

from __future__ import annotations

import csv
import json
import math
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from src.runs.directory import RunDirectory


def compare_weights(then: RunDirectory, now: RunDirectory) -> dict[str, Any]:
    """Compare `weights.safetensors` tensor by tensor: type, shape and every bit."""
    first, second = (safetensors.torch.load_file(run.weights) for run in (then, now))
    both = sorted(first.keys() & second.keys())
    different = [name for name in both if not _equal(first[name], second[name])]
    apart = [_apart(first[name], second[name]) for name in different if first[name].shape == second[name].shape]
    removed, added = sorted(first.keys() - second.keys()), sorted(second.keys() - first.keys())
    return {
        "identical": not (different or removed or added),
        "tensors": len(first),
        "different": different,
        "removed": removed,
        "added": added,
        "largest_difference": max(apart, default=None) if different else 0.0,
    }


def compare_figures(then: RunDirectory, now: RunDirectory) -> dict[str, Any]:
    """Compare `metrics.json`: every figure, as written."""
    first, second = (json.loads(run.metrics.read_text()) for run in (then, now))
    keys = sorted(first.keys() | second.keys())
    different = {key: [first.get(key), second.get(key)] for key in keys if not _same(first.get(key), second.get(key))}
    return {"identical": not different, "figures": len(first), "different": different}


def compare_history(then: RunDirectory, now: RunDirectory) -> dict[str, Any]:
    """Compare `metrics.csv` cell by cell; says where they part. Rows are counted from 1 below the heading."""
    first, second = (list(csv.DictReader((run.path / "metrics.csv").open(newline=""))) for run in (then, now))
    parting = None
    for number, (left, right) in enumerate(zip(first, second, strict=False), 1):
        columns = [column for column in dict.fromkeys((*left, *right)) if left.get(column) != right.get(column)]
        if columns:
            parting = {"row": number, "columns": columns}
            break
    rows = [len(first), len(second)]
    if parting is None and rows[0] != rows[1]:
        parting = {"row": min(rows) + 1, "columns": []}
    return {"identical": parting is None, "rows": rows, "parting": parting}


def _equal(left: Tensor, right: Tensor) -> bool:
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    raw = (tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in (left, right))
    return torch.equal(*raw)  # bits, so that NaN equals itself


def _apart(left: Tensor, right: Tensor) -> float:
    return float((left.double() - right.double()).abs().max()) if left.numel() else 0.0


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left) and math.isnan(right):
        return True
    return bool(left == right)
