"""A promise, the figure that was found and the bound that it must keep; and how the commands are run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Promise:
    """`kept` is None where it could not be tried; `figure` then says why."""

    text: str
    figure: str
    bound: str
    kept: bool | None

    def line(self) -> str:
        mark = {True: "kept", False: "BROKEN", None: "not tried"}[self.kept]
        return f"{mark:9}  {self.text}: {self.figure} (bound: {self.bound})"


def table(promises: Sequence[Promise]) -> str:
    rows = [f"| {p.text} | {p.figure} | {p.bound} | {p.line().split('  ')[0].strip()} |" for p in promises]
    return "\n".join(["| promise | figure | bound | |", "|---|---|---|---|", *rows])


def command(module: str, *overrides: str) -> list[str]:
    return [sys.executable, "-m", f"src.{module}", *overrides]


def run(
    module: str, *overrides: str, env: Mapping[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command of the project as a user would, from the project's folder."""
    done = subprocess.run(
        command(module, *overrides), cwd=ROOT, env=os.environ | (env or {}), capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"{module} {' '.join(overrides)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done


def tensors(run_dir: Path) -> dict[str, Any]:
    """Return the tensors that must be equal: the exported weights, the last checkpoint's and its optimizer's."""
    checkpoint = torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)
    return {
        "weights": load_file(run_dir / "weights.safetensors"),
        "state": checkpoint["state_dict"],
        "optimizer": checkpoint["optimizer_states"],
        "metrics": (run_dir / "metrics.csv").read_text(),
    }


def same(left: Any, right: Any) -> bool:
    """Return whether two nests of containers and tensors are equal to the bit."""
    if isinstance(left, torch.Tensor):
        return isinstance(right, torch.Tensor) and torch.equal(left, right)
    if isinstance(left, Mapping):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)
