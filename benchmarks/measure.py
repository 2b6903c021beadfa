"""Candidates timed against one another within one run, and the Markdown tables that say how they compare.

A machine's speed drifts by tens of percent within minutes, so absolute figures of different moments cannot be compared.
Every comparison here runs its candidates in turn, round after round, and compares within each round.
"""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from src.cores import cores

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Quartiles:
    """The middle of several measurements, and the quarters below and above it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Quartiles:
        """Summarise at least two values."""
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    def shown(self, form: str) -> str:
        """Return `median (low to high)` with each number in a format such as `.2f`."""
        return f"{self.median:{form}} ({self.low:{form}} to {self.high:{form}})"


def paired(candidates: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure every candidate once per round, in turn; each call returns its own figure.

    A first round warms up and is not counted. Every other round goes backwards, so that none always follows the same.
    """
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        order = list(candidates.items())
        for name, measure in reversed(order) if number % 2 else order:
            figure = measure()
            if number:
                found[name].append(figure)
    return found


def ratios(found: Mapping[str, Sequence[float]], name: str, to: str) -> Quartiles:
    """Return how many times the figure of `to` that of `name` is, compared round by round."""
    return Quartiles.of([own / other for own, other in zip(found[name], found[to], strict=True)])


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(row) + " |" for row in (columns, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(columns), *lines[1:]])


def machine() -> str:
    """Return a line that says on what the figures were measured."""
    import torch

    packages = ("torch", "torchvision", "pytorch-lightning", "opencv-python-headless", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{_processor()}, {cores()} cores{gpu}; Python {platform.python_version()}, {versions}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
