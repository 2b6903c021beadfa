"""What a training goes by, in one line of the log: a preset may have chosen it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHOWN = ("weight_decay", "momentum", "warmup_epochs", "warmup_share", "milestones", "factor", "patience")
"""Keys of optimizer and schedule that are shown where they are there."""


def recipe_line(config: Mapping[str, Any]) -> str:
    """Return optimizer, learning rate, schedule and length, such as `AdamW, lr 0.003, ...; cosine, ...; 5 epochs`."""
    optimizer, scheduler, trainer = config["optimizer"], config["scheduler"], config["trainer"]
    rate = [f"lr {optimizer['lr']:g}"] if optimizer.get("lr") is not None else []
    steps, epochs = trainer.get("max_steps"), trainer.get("max_epochs")
    length = [f"{epochs} epochs"] * (epochs is not None) + [f"{steps} steps"] * (steps not in (None, -1))
    parts = [
        [_name(optimizer), *rate, *_values(optimizer)],
        [_name(scheduler), *_values(scheduler)],
        [*length, f"batches of {config['data']['batch_size']}"],
    ]
    return "; ".join(", ".join(part) for part in parts)


def _name(section: Mapping[str, Any]) -> str:
    return str(section["_target_"]).rpartition(".")[2]


def _values(section: Mapping[str, Any]) -> list[str]:
    return [f"{key} {section[key]}" for key in SHOWN if section.get(key) is not None]
