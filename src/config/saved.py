"""The configuration of a run on disk: written when a run starts, and read back to evaluate, predict or continue.

`config.yaml` is for people and other programs: resolved, plain. `compose.yaml` is what overrides on a saved run apply
to: unresolved, so that what refers to a changed value follows, with what was typed and which choices were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.config.assess import assess
from src.config.check import problems
from src.config.composed import Composed
from src.config.groups import CONF, Groups
from src.config.overrides import Typed, names_in, read
from src.config.problems import ConfigurationError, Problem
from src.errors import UserError
from src.files import write_text


def save(composed: Composed, config_path: Path, compose_path: Path) -> None:
    """Write both files of a configuration that has passed the check."""
    write_text(config_path, OmegaConf.to_yaml(OmegaConf.create(plain(composed.config))))
    saved = {
        "overrides": list(composed.overrides),
        "choices": dict(composed.choices),
        "folders": [str(folder) for folder in composed.groups.folders[1:]],
        "config": OmegaConf.to_container(composed.config, resolve=False),
    }
    write_text(compose_path, OmegaConf.to_yaml(OmegaConf.create(saved)))


def load(compose_path: Path) -> Composed:
    """Read a saved configuration. Raises UserError where the file is missing or not one of ours."""
    try:
        saved: Any = OmegaConf.load(compose_path)
        config = OmegaConf.create(OmegaConf.to_container(saved["config"], resolve=False))  # references have their root
        overrides, choices = tuple(saved["overrides"]), dict(saved["choices"])
        own = [folder for folder in map(Path, saved["folders"]) if folder.is_dir()]
    except FileNotFoundError as error:
        raise UserError(f"{compose_path} is missing: {compose_path.parent} is not a run directory") from error
    except Exception as error:
        raise UserError(f"{compose_path} cannot be read: {error}") from error
    assert isinstance(config, DictConfig)
    config.resume = config.replay = None  # words to the command, which an older run may not have known
    config.allowed_packages = []  # a directory that somebody sent may not say what it is trusted with
    return Composed(
        config=config, overrides=overrides, choices=choices, fallback=str(compose_path), groups=Groups((CONF, *own))
    )


def apply(saved: Composed, texts: Sequence[str]) -> Composed:
    """Return the saved configuration with overrides: `group=choice` replaces its section, `a.b=value` one value.

    Raises UserError where an override cannot be read, its group has no such choice, or the result does not pass the
    check.
    """
    config = OmegaConf.create(OmegaConf.to_container(saved.config, resolve=False))
    assert isinstance(config, DictConfig)
    choices = dict(saved.choices)
    typed = [_plain_override(text) for text in texts]
    for override in typed:
        if override.is_choice(saved.groups):
            choices[override.key] = names_in(override.values[0])
            config.update(sections_of_choice(override, saved.groups))
    for override in typed:
        if not override.is_choice(saved.groups):
            OmegaConf.update(config, override.key, override.values[0], merge=False, force_add=True)
    overrides = (*saved.overrides, *(override.canonical for override in typed))
    changed = replace(saved, config=config, overrides=overrides, choices=choices)
    if found := problems(changed):
        raise ConfigurationError(found)
    return changed


def _plain_override(text: str) -> Typed:
    override = read(text)
    if isinstance(override, Problem):
        raise ConfigurationError([override])
    if override.sweep or override.delete:
        raise UserError(f"{text}: a saved run takes one value for a key, as in key=value")
    return override


def sections_of_choice(override: Typed, groups: Groups) -> dict[str, Any]:
    """Return the unresolved sections that `group=choice` brings: its own and, for a model, its network.

    Raises ConfigurationError where there is no such choice.
    """
    composed = assess("train", [override.text], groups).accepted()
    names = (override.key, "network") if override.key == "model" else (override.key,)
    return {name: OmegaConf.to_container(composed.config[name], resolve=False) for name in names}


def plain(config: DictConfig) -> dict[str, Any]:
    """Return the configuration resolved, in plain containers."""
    resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}
