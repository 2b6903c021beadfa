"""How long a training is: keys that leave it without an end, contradict each other, or lie beyond that end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from src.config.composed import Composed
from src.config.problems import COMMAND_LINE, Problem


def problems(composed: Composed, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the length of a training, as far as it can be told before the data are read."""
    if composed.command != "train" or composed.unsure & {"trainer", "scheduler"}:
        return
    trainer, scheduler = (values.get(name) or {} for name in ("trainer", "scheduler"))
    epochs, steps = (_limit(trainer.get(key)) for key in ("max_epochs", "max_steps"))
    endless = all(trainer.get(key) in (None, -1) for key in ("max_epochs", "max_steps"))
    if endless and not trainer.get("max_time"):
        yield _problem(
            composed,
            "trainer.max_epochs",
            "has no end, and a schedule needs the training's length",
            "type trainer.max_epochs or trainer.max_steps",
        )
    may_stop = "callbacks" in composed.unsure or trainer.get("max_time") or _has_foreign(values.get("callbacks") or {})
    for least, most, limit in (("min_epochs", "max_epochs", epochs), ("min_steps", "max_steps", steps)):
        if isinstance(trainer.get(least), int) and limit is not None and trainer[least] > limit:
            what = f"{trainer[least]} is more than trainer.{most}={limit}"
            yield _problem(composed, f"trainer.{least}", what, f"type trainer.{most} too")
        elif trainer.get(least) and not may_stop:
            what = "has no effect: nothing ends this training early"
            yield _problem(composed, f"trainer.{least}", what, "type callbacks=[default,early_stopping] too")
    if epochs is not None and steps is None:
        yield from _beyond(composed, scheduler, epochs)


def _beyond(composed: Composed, scheduler: Mapping[str, Any], epochs: int) -> Iterator[Problem]:
    """Yield what of a schedule lies beyond the last epoch.

    An experiment's schedule may where its training is cut short, by `trainer.max_epochs` or `debug`, to see it run: the
    log says what of the schedule is not reached.
    """
    cut_short = _is_cut_short(composed)
    found = _beyond_of(scheduler, epochs)
    yield from (
        _problem(composed, key, what, suggestion)
        for key, what, suggestion in found
        if not cut_short or composed.origins.of(key)[0] == COMMAND_LINE
    )


def _is_cut_short(composed: Composed) -> bool:
    place = composed.origins.of("trainer.max_epochs")[0]
    return place == COMMAND_LINE or "/debug/" in str(place)


def _beyond_of(scheduler: Mapping[str, Any], epochs: int) -> Iterator[tuple[str, str, str]]:
    warmup, milestones = scheduler.get("warmup_epochs"), scheduler.get("milestones")
    if isinstance(warmup, int | float) and warmup > epochs:
        what = f"{warmup:g} epochs of warm-up are more than the training's {epochs}"
        yield "scheduler.warmup_epochs", what, f"type {epochs} at most, or trainer.max_epochs"
    if not isinstance(milestones, list) or not all(isinstance(one, int | float) for one in milestones):
        return
    if milestones and max(milestones) >= 1 and scheduler.get("unit", "auto") != "share" and max(milestones) >= epochs:
        what = f"epoch {max(milestones):g} is not reached: the training ends after {epochs}"
        suggestion = "type smaller epochs, shares of the training such as [0.5, 0.75], or trainer.max_epochs"
        yield "scheduler.milestones", what, suggestion


def _has_foreign(callbacks: Mapping[str, Any]) -> bool:
    """Tell whether a callback is not one of ours: ours end no training, others may."""
    targets = [str(one.get("_target_")) for one in callbacks.values() if isinstance(one, Mapping)]
    return any(not target.startswith("src.") for target in targets)


def _limit(value: Any) -> int | None:
    """Return a number of epochs or steps; None where there is no such limit (-1 and null)."""
    return value if isinstance(value, int) and value >= 0 else None


def _problem(composed: Composed, key: str, what: str, suggestion: str) -> Problem:
    return Problem(composed.origins.of(key)[0], key, what, suggestion)
