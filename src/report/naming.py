"""What a configuration is called in words, and what its values look like in a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

FORMATS = frozenset({"folder", "csv", "boxes_csv", "identities", "voc", "coco"})
"""Choices of data that say how a person's own data lie, and not which they are."""


def title(config: Mapping[str, Any]) -> str:
    """Return the name that somebody gave a run, or else its network and data."""
    return str(config.get("name") or what(config))


def what(config: Mapping[str, Any]) -> str:
    """Return network and data in words, `resnet 18 on imagenette`, and the learning problem where it is not the usual.

    `choices`, where the configuration has them, are those of the groups `model` and `data`.
    """
    name = network_words(config)
    problem = str(lookup(config, "choices.model") or "")
    known = short("_target_", lookup(config, "network._target_") or "")
    is_classifier = str(lookup(config, "model._target_") or "").rpartition(".")[2] == "Classifier"
    if problem and not is_classifier and not name.startswith(problem) and known not in problem:
        name = f"{problem}, {name}"
    return " on ".join(filter(None, (name, data_words(config)))) or "Run"


def network_words(config: Mapping[str, Any]) -> str:
    """Return the network in words: `resnet 18`."""
    network = lookup(config, "network") or {}
    size = network.get("depth", network.get("variant", ""))
    return str(network.get("name") or f"{short('_target_', network.get('_target_', ''))} {size}".strip())


def data_words(config: Mapping[str, Any]) -> str:
    """Return what the data set is called; one of a person's own is called as the folder that it lies in."""
    chosen = lookup(config, "choices.data")
    if chosen in FORMATS:
        folders = (lookup(config, "data.source.folder"), lookup(config, "data.root"))
        names = [PurePath(str(folder)).name for folder in folders if folder]
        return next((name for name in names if name not in ("", ".", "..", "data")), str(chosen))
    return str(chosen or short("_target_", lookup(config, "data.source._target_")))


def lookup(config: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, None where a part of the way is missing."""
    value: Any = config
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def short(path: str, value: Any) -> Any:
    """Return the value, or of a target its last name."""
    return str(value or "").rpartition(".")[2] if path.endswith("_target_") else value
