"""Hydra's composition, gone through to the end: what fails is noted and left out, and the rest composed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from omegaconf import DictConfig, OmegaConf, flag_override

from src.config.groups import Groups, readable
from src.config.loader import Loader, reason
from src.config.main_figure import register
from src.config.origins import Layer
from src.config.overrides import Typed
from src.config.problems import COMMAND_LINE, Problem

register()
ATTEMPTS = 10


@dataclass
class Composition:
    """What Hydra made of the overrides that it could use; `config` is None where it made nothing at all."""

    problems: list[Problem] = field(default_factory=list)
    config: DictConfig | None = None
    choices: dict[str, Any] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()
    lost: frozenset[str] = frozenset()
    """Groups whose choice could not be used."""
    launcher: Mapping[str, Any] = field(default_factory=dict)
    """Hydra's section for the launcher of a sweep, references unresolved."""


def compose_leniently(config_name: str, typed: Sequence[Typed], groups: Groups) -> Composition:
    """Compose with as many of the overrides and files as can be used; a problem for each that cannot."""
    from hydra.types import RunMode

    loader = Loader(groups)
    result = Composition()
    remaining: list[Typed] | None = list(typed)
    for _ in range(ATTEMPTS):
        try:
            overrides = [override.hydra_form(groups) for override in remaining or ()]
            result.config = loader.load_configuration(config_name, overrides, RunMode.RUN)
            break
        except Exception as error:  # whatever a file or an override makes Hydra raise is the user's to mend
            remaining = _without_obstacle(error, remaining or [], loader, result.problems)
            if remaining is None:
                break
    result.problems += [*loader.findings.problems.values(), *_shadowed(loader, groups)]
    if result.config is not None:
        kept = {override.key for override in remaining or ()}
        lost = {override.key for override in typed if override.is_choice(groups)} - kept
        result.lost = frozenset(lost | loader.findings.unsure)
        result.choices = {**_several(loader, config_name), **_choices(result.config)}
        result.layers = tuple(_layers(loader, groups))
        result.launcher = _launcher(result.config)
        with flag_override(result.config, ["struct", "readonly"], [False, False]):
            result.config.pop("hydra")
    return result


def _choices(config: DictConfig) -> dict[str, Any]:
    """Return the choice of each group, as Hydra knows it."""
    choices = OmegaConf.to_container(config.hydra.runtime.choices)
    assert isinstance(choices, dict)
    return {str(key): value for key, value in choices.items() if not str(key).startswith("hydra")}


def _launcher(config: DictConfig) -> dict[str, Any]:
    launcher = OmegaConf.to_container(config.hydra.launcher, resolve=False)
    assert isinstance(launcher, dict)
    return {str(key): value for key, value in launcher.items()}


def _several(loader: Loader, config_name: str) -> dict[str, list[str]]:
    """Return the choices of groups with several, which Hydra does not tell."""
    found: dict[str, list[str]] = {}
    for entry in loader.merged:
        group, _, choice = (entry.config_path or "").rpartition("/")
        if entry.parent == config_name and group and not group.startswith("hydra"):
            found.setdefault(group, []).append(choice)
    return found


def _layers(loader: Loader, groups: Groups) -> list[Layer]:
    files = [(groups.file(entry.config_path or ""), entry.package or "") for entry in loader.merged]
    return [Layer(path, package) for path, package in files if path is not None]


def _shadowed(loader: Loader, groups: Groups) -> list[Problem]:
    """Return a problem for each file of the user's that one of ours of the same name is taken instead of."""
    found = []
    for name in dict.fromkeys(entry.config_path for entry in loader.merged if entry.config_path):
        files = groups.duplicates(name)
        for other in files[1:]:
            what = f"{readable(files[0])} has the same name and is used instead"
            found.append(Problem(readable(other), name, what, "give it a name of its own"))
    return found


def _without_obstacle(
    error: Exception, typed: list[Typed], loader: Loader, problems: list[Problem]
) -> list[Typed] | None:
    """Note what stopped Hydra, and return the overrides for the next attempt: None where nothing is left to try."""
    groups = loader.findings.groups
    text = str(error)
    in_file = re.search(r"In '([^']+/[^']+)':", text)
    if in_file and in_file[1] not in loader.findings.ignored and groups.file(in_file[1]):
        loader.findings.ignore(in_file[1], error)
        return typed
    named = [override for override in typed if override.hydra_form(groups) in text or f"'{override.key}'" in text]
    if not named:
        problems.append(Problem(readable(groups.folders[0]), "", reason(error)))
        return None
    override = named[-1]
    others = [other for other in typed if other is not override]
    if "Could not override" in text and override.is_choice(groups) and not override.append:
        return [*others, replace(override, append=True)]
    what = "there is nothing to remove" if override.delete else reason(error)
    problems.append(Problem(COMMAND_LINE, override.canonical, what))
    return others
