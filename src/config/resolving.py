"""Interpolations of a configuration resolved as far as they can be."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

BROKEN = object()
"""Stands for a value whose interpolation failed."""


def resolved(config: DictConfig) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the configuration in plain containers, and by dotted key why what stands as BROKEN could not be resolved.

    Missing values stay `???`.
    """
    reasons: dict[str, str] = {}
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException:
        plain = _one_by_one(config, "", reasons)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}, reasons


def without_broken(values: Any) -> Any:
    """Return resolved values without those that are BROKEN, for who judges them together and not one by one."""
    if not isinstance(values, dict):
        return values
    return {key: without_broken(value) for key, value in values.items() if value is not BROKEN}


def _one_by_one(node: Any, prefix: str, reasons: dict[str, str]) -> Any:
    if not OmegaConf.is_dict(node):
        return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    plain: dict[str, Any] = {}
    for key in node:
        dotted = f"{prefix}{key}"
        if OmegaConf.is_missing(node, key):
            plain[str(key)] = "???"
            continue
        try:
            plain[str(key)] = _one_by_one(node[key], f"{dotted}.", reasons)
        except OmegaConfBaseException as error:
            plain[str(key)] = BROKEN
            reasons[dotted] = str(error).partition("\n")[0]
    return plain
