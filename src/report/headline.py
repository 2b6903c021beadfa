"""Which of a run's figures come first."""

from __future__ import annotations

from collections.abc import Iterable

from src.metrics.baseline import BASELINE

_SPLITS = {"test": 0, "val": 1}


def is_baseline(metric: str) -> bool:
    """Return whether a figure is what a model must do better than (`test/baseline/mean_iou`), and not a model's own."""
    return metric.partition("/")[2].startswith(BASELINE)


def baselines(names: Iterable[str]) -> list[str]:
    """Return the figures of baselines, those of test first."""
    return sorted(filter(is_baseline, names), key=lambda name: (_order_of_split(name), name))


def headline_metrics(names: Iterable[str], chosen_by: str) -> list[str]:
    """Return a model's metrics, the most telling first, without those of single classes (`mean_iou_cat` beside
    `mean_iou`) and without baselines.

    `chosen_by` is the metric that the weights were chosen by, without its split.
    """
    every = [name for name in names if not is_baseline(name)]
    whole = [name for name in every if not any(name.startswith(f"{other}_") for other in every)]
    return sorted(whole, key=lambda name: importance(name, chosen_by))


def importance(metric: str, chosen_by: str) -> tuple[int, int, str]:
    """Return what to sort by: test before validation before the rest.

    Within each comes first what the weights were chosen by, then what is good when large, then errors and losses, and
    at last what only describes, such as distances and counts of lost objects.
    """
    name = metric.partition("/")[2]
    if name == chosen_by:
        rank = 0
    elif any(word in name for word in ("accuracy", "iou", "auc", "recall")):
        rank = 1
    elif any(word in name for word in ("distance", "spread", "active", "lost")):
        rank = 4
    else:
        rank = 3 if "loss" in name or "error" in name else 2
    return (_order_of_split(metric), rank, name)


def _order_of_split(metric: str) -> int:
    return _SPLITS.get(metric.partition("/")[0], len(_SPLITS))
