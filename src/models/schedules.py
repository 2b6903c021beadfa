"""Learning rates over a training, as functions of its length; named in `conf/scheduler/`.

Everything here moves after every optimizer step, except `plateau`, which moves after every epoch's validation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from annotated_types import Ge, Interval
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau


class PerStep(LambdaLR):
    """A schedule that moves after every optimizer step: the base learning rate times `ratio(step)`."""

    def __init__(self, optimizer: Optimizer, ratio: Callable[[int], float]) -> None:
        super().__init__(optimizer, ratio)


def cosine(
    *,
    optimizer: Optimizer,
    total_steps: int,
    steps_per_epoch: int,
    warmup_epochs: Annotated[float, Ge(0)],
    final_ratio: Annotated[float, Interval(ge=0, le=1)],
) -> PerStep:
    """Half a cosine from 1 to `final_ratio` (Loshchilov and Hutter 2017, one period), after a linear warm-up."""
    warmup = round(warmup_epochs * steps_per_epoch)

    def ratio(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
        return final_ratio + (1 - final_ratio) * (1 + math.cos(math.pi * progress)) / 2

    return PerStep(optimizer, ratio)


def one_cycle(
    *,
    optimizer: Optimizer,
    total_steps: int,
    steps_per_epoch: int,
    warmup_share: Annotated[float, Interval(gt=0, lt=1)],
    initial_ratio: Annotated[float, Interval(ge=0, le=1)],
    final_ratio: Annotated[float, Interval(ge=0, le=1)],
) -> PerStep:
    """Cosine up from `initial_ratio` to 1 in the first `warmup_share` of the steps, cosine down to `final_ratio`.

    The learning rate of Smith and Topin's one-cycle policy (2018) with cosine ramps; momentum stays as it is.
    """
    del steps_per_epoch  # every schedule is given it
    up = warmup_share * total_steps

    def ratio(step: int) -> float:
        start, progress = (
            (initial_ratio, step / up) if step < up else (final_ratio, (total_steps - step) / (total_steps - up))
        )
        return start + (1 - start) * (1 - math.cos(math.pi * min(1.0, max(0.0, progress)))) / 2

    return PerStep(optimizer, ratio)


def step(
    *,
    optimizer: Optimizer,
    total_steps: int,
    steps_per_epoch: int,
    milestones: Sequence[float],
    gamma: Annotated[float, Interval(gt=0, le=1)],
) -> PerStep:
    """Multiply by `gamma` at each milestone, a share of the training in [0, 1]."""
    del steps_per_epoch
    steps = [share * total_steps for share in milestones]
    return PerStep(optimizer, lambda now: gamma ** sum(now >= milestone for milestone in steps))


def constant(
    *, optimizer: Optimizer, total_steps: int, steps_per_epoch: int, warmup_epochs: Annotated[float, Ge(0)]
) -> PerStep:
    """The base learning rate throughout, after a linear warm-up."""
    del total_steps
    warmup = round(warmup_epochs * steps_per_epoch)
    return PerStep(optimizer, lambda now: min(1.0, (now + 1) / (warmup + 1)))


def plateau(
    *,
    optimizer: Optimizer,
    total_steps: int,
    steps_per_epoch: int,
    factor: Annotated[float, Interval(gt=0, lt=1)],
    patience: Annotated[int, Ge(0)],
    mode: Literal["auto", "min", "max"],
) -> ReduceLROnPlateau:
    """Multiply by `factor` when the monitored metric has not improved for `patience` epochs."""
    del total_steps, steps_per_epoch
    assert mode != "auto", "settled when the run began"
    return ReduceLROnPlateau(optimizer, mode=mode, factor=factor, patience=patience)
