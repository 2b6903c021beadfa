"""What a configuration is called in words, and what its values look like in a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def title(config: Mapping[str, Any]) -> str:
    """Return the name that somebody gave a run, or else its network and data."""
    return str(config.get("name") or what(config))


def what(config: Mapping[str, Any]) -> str:
    """Return network and data in words, `resnet 18 on imagenette`, and the learning problem where it has its own name.

    `choices`, where the configuration has them, are those of the groups `model` and `data`.
    """
    network = lookup(config, "network") or {}
    kind = short("_target_", network.get("_target_", ""))
    size = network.get("depth", network.get("variant", ""))
    name = network.get("name") or f"{kind} {size}".strip()
    problem = (
        None if short("_target_", lookup(config, "model._target_")) == "Classifier" else lookup(config, "choices.model")
    )
    if problem and problem != kind and not name.startswith(str(problem)) and kind not in str(problem):
        name = f"{problem}, {name}"
    data = lookup(config, "choices.data") or short("_target_", lookup(config, "data.source._target_"))
    return " on ".join(filter(None, (name, data))) or "Run"


def lookup(config: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, None where a part of the way is missing."""
    value: Any = config
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def short(path: str, value: Any) -> Any:
    """Return the value, or of a target its last name."""
    return str(value or "").rpartition(".")[2] if path.endswith("_target_") else value
