"""The optimizer and its schedule, made of what the configuration has bound, with torch's complaints as the user's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR

from src.config.build import told_with_target
from src.errors import UserError
from src.models.schedules import PerStep

PER_STEP = (PerStep, OneCycleLR, CyclicLR)
"""Schedules that move with every optimizer step; torch's others count epochs."""


def made_optimizer(bound: partial[Optimizer], groups: Sequence[Mapping[str, Any]]) -> Optimizer:
    """Return the optimizer over groups of parameters. Raises UserError where it cannot take them, or its values."""
    first = next(iter(groups[0]["params"]))
    if bound.keywords.get("capturable") and first.device.type == "cpu":
        raise UserError("optimizer.capturable=true is for CUDA graphs, and this training is on the CPU; leave it out")
    with told_with_target(_name(bound)):
        return bound(groups)


def made_schedule(
    bound: Callable[..., LRScheduler], *, optimizer: Optimizer, total_steps: float, steps_per_epoch: int
) -> LRScheduler:
    """Return the schedule, told of the training's length where it asks for it. Raises UserError as above."""
    length = {"total_steps": total_steps, "steps_per_epoch": steps_per_epoch}
    with told_with_target(_name(bound)):
        asked = inspect.signature(bound).parameters
        return bound(optimizer=optimizer, **{key: value for key, value in length.items() if key in asked})


def moves_every_step(schedule: LRScheduler) -> bool:
    """Return whether a schedule moves after every optimizer step, rather than after every epoch."""
    return isinstance(schedule, PER_STEP)


def _name(bound: Any) -> str:
    target = getattr(bound, "func", bound)
    return f"{target.__module__}.{target.__qualname__}"
