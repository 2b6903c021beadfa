"""The half-counted metrics of an epoch as a checkpoint holds them, and back."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.utilities import dim_zero_cat

log = logging.getLogger(__name__)

States = Mapping[str, Mapping[str, Tensor]]


def saved_states(metrics: MetricCollection) -> dict[str, dict[str, Tensor]]:
    """Return what each metric has counted, on the CPU; lists of batches as one tensor, none where nothing came yet."""
    found = {}
    for name, metric in metrics.items(keep_base=True, copy_state=False):
        whole = {key: _whole(value) for key, value in metric.metric_state.items()}
        found[name] = {key: value.detach().cpu().clone() for key, value in whole.items() if value is not None}
    return found


def restore_states(metrics: MetricCollection, states: States) -> None:
    """Let metrics go on to count from what was saved; those that an earlier version counted otherwise begin anew."""
    every = dict(metrics.items(keep_base=True, copy_state=False))
    strange = [name for name, state in states.items() if name not in every or state.keys() - every[name].metric_state]
    if strange:
        log.warning("Counted from here on, since an earlier version counted them otherwise: %s", ", ".join(strange))
    for name, state in states.items():
        if name in strange:
            continue
        metric = every[name]
        for key, value in state.items():
            now = getattr(metric, key)
            setattr(metric, key, [value.to(metric.device)] if isinstance(now, list) else value.to(now))
        metric._update_count += 1


def _whole(value: Tensor | list[Tensor]) -> Tensor | None:
    if isinstance(value, list):
        return dim_zero_cat(value) if value else None
    return torch.as_tensor(value)
