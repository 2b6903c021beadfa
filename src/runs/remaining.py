"""What is left to do of a run that is to be continued, told from its files, before torch is imported."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import Any

from src.config import saved
from src.errors import UserError
from src.runs.directory import RunDirectory
from src.runs.record import status_of

Config = Mapping[str, Any]


def nothing_left(run: RunDirectory, before: Config, now: Config, overrides: Sequence[str]) -> str | None:
    """Return what to say of a run that has come to its end and is not to be trained further; None where it is.

    `before` is the configuration that it was trained with, `now` the one with what was typed. Raises UserError where
    more was asked for and nothing of it could be trained.
    """
    complete = all(path.exists() for path in (run.metrics, run.weights, run.path / "report.html"))
    if status_of(run.path) != "finished" or not complete:
        return None
    epochs, steps = trained(run)
    limits, earlier = limits_of(now), limits_of(before)
    where = f"{epochs} epochs, {steps} steps"
    early = not _reached(epochs, steps, earlier) and not before["trainer"].get("max_time")
    further = (
        "To go further, start a new run that waits longer (callbacks.early_stopping.patience), or without what stops it"
        if early
        else f"To train further, type trainer.max_epochs={epochs + 1} or more"
    )
    if limits == earlier:
        why = f", early, since {_stopper(before)}" if early else ""
        return (
            f"{run.path} has finished already, after {where}{why}; nothing of it was touched. {further}. To measure it "
            "again: python -m src.evaluate run=..."
        )
    if early:
        raise UserError(
            f"resume={run.path}: this run ended early, after {where}, since {_stopper(before)}: {', '.join(overrides)} "
            f"would train nothing. {further}"
        )
    if _reached(epochs, steps, limits):
        raise UserError(
            f"resume={run.path}: {', '.join(overrides)} would train nothing, since {where} are done; type "
            f"trainer.max_epochs={epochs + 1} or more"
        )
    return None


def trained(run: RunDirectory) -> tuple[int, int]:
    """Return how many epochs and steps a run has trained, by its metrics.csv."""
    try:
        with (run.path / "metrics.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row.get("train/loss")]
    except OSError:
        rows = []
    return (int(rows[-1]["epoch"]) + 1, int(rows[-1]["step"])) if rows else (0, 0)


def limits_of(config: Config) -> tuple[int | None, int | None]:
    """Return the numbers of epochs and of steps after which a training ends; None: without such a limit."""
    found = (config["trainer"].get(key) for key in ("max_epochs", "max_steps"))
    epochs, steps = (value if isinstance(value, int) and value >= 0 else None for value in found)
    return epochs, steps


def configuration_of(run: RunDirectory) -> Config:
    """Return the resolved configuration that a run was trained with."""
    return saved.plain(saved.load(run.compose).config)


def _reached(epochs: int, steps: int, limits: tuple[int | None, int | None]) -> bool:
    most_epochs, most_steps = limits
    return (most_epochs is not None and epochs >= most_epochs) or (most_steps is not None and steps >= most_steps)


def _stopper(config: Config) -> str:
    """Return what ended a run early, in words."""
    for name, section in config["callbacks"].items():
        if section and "patience" in section:
            return f"{section.get('monitor')} had not improved for callbacks.{name}.patience={section['patience']}"
    return "one of its callbacks stopped it"
