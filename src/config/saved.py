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

from src.config.check import problems
from src.config.composed import Composed
from src.config.groups import CONF
from src.config.problems import ConfigurationError
from src.errors import UserError
from src.files import write_text


def save(composed: Composed, config_path: Path, compose_path: Path) -> None:
    """Write both files of a configuration that has passed the check."""
    write_text(config_path, OmegaConf.to_yaml(OmegaConf.create(plain(composed.config))))
    saved = {
        "overrides": list(composed.overrides),
        "choices": dict(composed.choices),
        "config": OmegaConf.to_container(composed.config, resolve=False),
    }
    write_text(compose_path, OmegaConf.to_yaml(OmegaConf.create(saved)))


def load(compose_path: Path) -> Composed:
    """Read a saved configuration. Raises UserError where the file is missing or not one of ours."""
    try:
        saved: Any = OmegaConf.load(compose_path)
        config, overrides, choices = saved["config"], tuple(saved["overrides"]), dict(saved["choices"])
    except FileNotFoundError as error:
        raise UserError(f"{compose_path} is missing: {compose_path.parent} is not a run directory") from error
    except Exception as error:
        raise UserError(f"{compose_path} cannot be read: {error}") from error
    assert isinstance(config, DictConfig)
    return Composed(config=config, overrides=overrides, choices=choices, fallback=str(compose_path))


def apply(saved: Composed, overrides: Sequence[str]) -> Composed:
    """Return the saved configuration with overrides: `group=choice` replaces its section, `a.b=value` one value.

    Raises UserError where an override cannot be read, its group has no such choice, or the result does not pass the
    check.
    """
    config = OmegaConf.create(OmegaConf.to_container(saved.config, resolve=False))
    assert isinstance(config, DictConfig)
    choices = dict(saved.choices)
    values: list[tuple[str, Any]] = []
    for override in overrides:
        key, value = parse(override)
        if (CONF / key).is_dir():
            choices[key] = str(value)
            config.update(sections_of_choice(key, str(value)))
        else:
            values.append((key, value))
    for key, value in values:
        OmegaConf.update(config, key, value, merge=False, force_add=True)
    changed = replace(saved, config=config, overrides=(*saved.overrides, *overrides), choices=choices)
    if found := problems(changed):
        raise ConfigurationError(found)
    return changed


def parse(override: str) -> tuple[str, Any]:
    """Return key and value of one typed override. Raises UserError where it cannot be read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException as error:
        raise UserError(f"{override}: {str(error).splitlines()[0]}") from error
    if parsed.is_sweep_override() or parsed.is_delete() or not isinstance(parsed.key_or_group, str):
        raise UserError(f"{override}: a saved run takes plain key=value overrides")
    return parsed.key_or_group, parsed.value()


def sections_of_choice(group: str, choice: str) -> dict[str, Any]:
    """Return the unresolved sections that `group=choice` brings: its own and, for a model, its network."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException

    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", overrides=[f"{group}={choice}"])
    except HydraException as error:
        choices = ", ".join(sorted(path.stem for path in (CONF / group).glob("[!_]*.yaml")))
        raise UserError(f"{group}={choice}: no such choice; there are {choices}") from error
    names = (group, "network") if group == "model" else (group,)
    return {name: OmegaConf.to_container(config[name], resolve=False) for name in names}


def plain(config: DictConfig) -> dict[str, Any]:
    """Return the configuration resolved, in plain containers."""
    resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}
