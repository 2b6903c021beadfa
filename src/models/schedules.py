"""Learning rates over a training, as functions of its length; named in `conf/scheduler/`.

Everything here moves after every optimizer step, except `plateau`, which moves after every epoch that was validated.
`total_steps` is infinite where nobody said how long the training is (`trainer.max_time` alone).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from src.errors import UserError

log = logging.getLogger(__name__)

Warmup = Annotated[float, Ge(0)] | Literal["auto"]
"""Epochs; auto: one, at most half of the training."""


class PerStep(LambdaLR):
    """A schedule that moves after every optimizer step: the base learning rate times `ratio(step)`."""

    def __init__(self, optimizer: Optimizer, ratio: Callable[[int], float]) -> None:
        super().__init__(optimizer, ratio)


def cosine(
    *,
    optimizer: Optimizer,
    total_steps: float,
    steps_per_epoch: int,
    warmup_epochs: Warmup,
    final_ratio: Annotated[float, Interval(ge=0, le=1)],
) -> PerStep:
    """Half a cosine from 1 to `final_ratio` (Loshchilov and Hutter 2017, one period), after a linear warm-up."""
    require_length("cosine", total_steps)
    warmup = warmup_steps(warmup_epochs, total_steps, steps_per_epoch)

    def ratio(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
        return final_ratio + (1 - final_ratio) * (1 + math.cos(math.pi * progress)) / 2

    return PerStep(optimizer, ratio)


def one_cycle(
    *,
    optimizer: Optimizer,
    total_steps: float,
    steps_per_epoch: int,
    warmup_share: Annotated[float, Interval(gt=0, lt=1)],
    initial_ratio: Annotated[float, Interval(ge=0, le=1)],
    final_ratio: Annotated[float, Interval(ge=0, le=1)],
) -> PerStep:
    """Cosine up from `initial_ratio` to 1 in the first `warmup_share` of the steps, cosine down to `final_ratio`.

    The learning rate of Smith and Topin's one-cycle policy (2018) with cosine ramps; momentum stays as it is.
    """
    del steps_per_epoch  # every schedule is given it
    require_length("onecycle", total_steps)
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
    total_steps: float,
    steps_per_epoch: int,
    milestones: list[Annotated[float, Gt(0)]],
    gamma: Annotated[float, Interval(gt=0, le=1)],
    unit: Literal["auto", "share", "epochs"] = "auto",
) -> PerStep:
    """Multiply by `gamma` at each milestone: shares of the training, or epochs as torch's MultiStepLR takes them.

    `auto`: shares where all are below 1, epochs where none is. The log says which milestone is never reached.
    """
    steps = milestone_steps(milestones, unit, total_steps, steps_per_epoch)
    return PerStep(optimizer, lambda now: gamma ** sum(now >= milestone for milestone in steps))


def milestone_steps(
    milestones: Sequence[float], unit: Literal["auto", "share", "epochs"], total_steps: float, steps_per_epoch: int
) -> list[float]:
    """Return the optimizer steps at milestones, and say which is never reached.

    Raises UserError where there is none, or shares stand beside epochs.
    """
    if unit == "auto":
        if not milestones or min(milestones) < 1 <= max(milestones):
            raise UserError(
                f"scheduler.milestones={list(milestones)}: type shares of the training, below 1, such as [0.5, 0.75], "
                "or epochs, from 1 on, such as [30, 60]; scheduler.unit=epochs takes parts of epochs too"
            )
        unit = "share" if max(milestones) < 1 else "epochs"
        log.info("scheduler.unit=auto: %s", unit)
    if unit == "share":
        require_length("step", total_steps)
    factor = total_steps if unit == "share" else steps_per_epoch
    steps = [milestone * factor for milestone in milestones]
    if late := [milestone for milestone, at in zip(milestones, steps, strict=True) if at >= total_steps]:
        log.warning(
            "scheduler.milestones: %s %g is not reached: the training has %g steps, %.3g epochs",
            unit,
            late[0],
            total_steps,
            total_steps / steps_per_epoch,
        )
    return steps


def constant(*, optimizer: Optimizer, total_steps: float, steps_per_epoch: int, warmup_epochs: Warmup) -> PerStep:
    """The base learning rate throughout, after a linear warm-up."""
    warmup = warmup_steps(warmup_epochs, total_steps, steps_per_epoch)
    return PerStep(optimizer, lambda now: min(1.0, (now + 1) / (warmup + 1)))


def plateau(
    *,
    optimizer: Optimizer,
    total_steps: float,
    steps_per_epoch: int,
    factor: Annotated[float, Interval(gt=0, lt=1)],
    patience: Annotated[int, Ge(0)],
    mode: Literal["auto", "min", "max"],
) -> ReduceLROnPlateau:
    """Multiply by `factor` when the monitored metric has not improved for `patience` epochs that were validated."""
    del total_steps, steps_per_epoch
    assert mode != "auto", "settled when the run began"
    return ReduceLROnPlateau(optimizer, mode=mode, factor=factor, patience=patience)


def warmup_steps(warmup_epochs: Warmup, total_steps: float, steps_per_epoch: int) -> int:
    """Return the optimizer steps of a warm-up, and say where the training is shorter."""
    if warmup_epochs == "auto":
        return min(steps_per_epoch, int(total_steps // 2)) if math.isfinite(total_steps) else steps_per_epoch
    steps = round(warmup_epochs * steps_per_epoch)
    if steps > total_steps:
        log.warning(
            "scheduler.warmup_epochs=%g are %d steps, more than the training's %g: optimizer.lr is not reached; "
            "scheduler.warmup_epochs=auto would end the warm-up in time",
            warmup_epochs,
            steps,
            total_steps,
        )
    return steps


def require_length(name: str, total_steps: float) -> None:
    """Raise UserError where a schedule that runs over the whole training does not know how long that is."""
    if not math.isfinite(total_steps):
        raise UserError(
            f"scheduler={name} needs the training's length: type trainer.max_epochs or trainer.max_steps, or "
            "scheduler=constant or plateau, which do not"
        )
