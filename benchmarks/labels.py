"""What measuring several labels costs: our exact average precision, torchmetrics' and scikit-learn's.

python -m benchmarks.labels
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.measure import Quartiles, paired, ratios, table
from src.metrics.classification import AveragePrecision

IMAGES, LABELS, BATCH, ROUNDS = 10_000, 40, 64, 5
OURS = "ours, exact"


def answers() -> tuple[Tensor, Tensor]:
    """Return probabilities and truth (N, K) of labels that are common to rare."""
    random = torch.Generator().manual_seed(0)
    truth = torch.rand(IMAGES, LABELS, generator=random) < torch.logspace(-0.5, -2.5, LABELS)
    return (torch.randn(IMAGES, LABELS, generator=random) + 2 * truth - 2).sigmoid(), truth


def milliseconds(work: Callable[[], Any]) -> float:
    """Return the time of a call."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def by_batches(metric: Any, scores: Tensor, truth: Tensor) -> float:
    """Measure an epoch as a run does, batch by batch, and return the figure."""
    for part, labels in zip(scores.split(BATCH), truth.split(BATCH), strict=True):
        metric.update(part, labels)
    figure = float(metric.compute())
    metric.reset()
    return figure


def main() -> str:
    """Return the table of an epoch's measurement, the candidates in turn."""
    from sklearn.metrics import average_precision_score
    from torchmetrics.classification import MultilabelAveragePrecision

    scores, truth = answers()
    whole = truth.long()
    candidates: dict[str, Callable[[], float]] = {
        OURS: partial(by_batches, AveragePrecision(), scores, truth),
        "torchmetrics, exact": partial(by_batches, MultilabelAveragePrecision(LABELS), scores, whole),
        "torchmetrics, 200 thresholds": partial(
            by_batches, MultilabelAveragePrecision(LABELS, thresholds=200), scores, whole
        ),
        "scikit-learn, all at once": lambda: float(average_precision_score(truth.numpy(), scores.numpy())),
    }
    figures = {name: work() for name, work in candidates.items()}
    found = paired({name: partial(milliseconds, work) for name, work in candidates.items()}, ROUNDS)
    rows = [
        [name, f"{figures[name]:.6f}", Quartiles.of(times).shown(".0f"), ratios(found, name, OURS).shown(".2f")]
        for name, times in found.items()
    ]
    head = f"## Average precision of {IMAGES:,} images and {LABELS} labels, in batches of {BATCH}"
    return f"{head}\n\n{table(['', 'figure', 'ms', 'times ours'], rows)}"


if __name__ == "__main__":
    print(main())
