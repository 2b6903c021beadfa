"""Hydra's composition, gone through to the end: what fails is noted and left out, and the rest composed and checked.

Uses the loader behind `hydra.main` directly (hydra-core is pinned below 1.4): it needs no global state, composes once,
and tells which files it merged.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, flag_override

from src.config.groups import CONF, Groups, readable
from src.config.overrides import Typed, no_such_choice
from src.config.problems import COMMAND_LINE, Problem, nearest

PLUGINS = CONF.parent / "src" / "runs" / "plugins"
ATTEMPTS = 10


@dataclass(frozen=True)
class Layer:
    """A file that was merged, and the dotted key that its content lies under."""

    path: Path
    package: str


@dataclass
class Composition:
    """What Hydra made of the overrides that it could use; `config` is None where it made nothing at all."""

    problems: list[Problem]
    config: DictConfig | None = None
    choices: dict[str, Any] | None = None
    layers: tuple[Layer, ...] = ()
    left_out: tuple[str, ...] = ()
    """Groups whose typed choice had to be left out."""


def compose_leniently(config_name: str, typed: Sequence[Typed], groups: Groups) -> Composition:
    """Compose with as many of the overrides as can be used, one problem for each obstacle met."""
    loader = make_loader(groups)
    problems: list[Problem] = []
    remaining = list(typed)
    for _ in range(ATTEMPTS):
        try:
            config = _load(loader, config_name, remaining, groups)
        except Exception as error:  # whatever a file or an override made Hydra raise is the user's to mend
            problem, changed = _Obstacle(error, remaining, groups).overcome()
            problems += [problem] if problem else []
            if changed is None:
                return Composition(problems)
            remaining = changed
        else:
            left_out = {override.key for override in typed if override.is_choice(groups)} - {o.key for o in remaining}
            choices = choices_of(config)
            layers = tuple(_layers(loader.merged, groups))
            with flag_override(config, ["struct", "readonly"], [False, False]):
                config.pop("hydra")
            return Composition(problems, config, choices, layers, tuple(left_out))
    return Composition(problems)


def choices_of(config: DictConfig) -> dict[str, Any]:
    """Return the choice of each group from a configuration that still has Hydra's own section."""
    choices = OmegaConf.to_container(config.hydra.runtime.choices)
    assert isinstance(choices, dict)
    return {str(key): value for key, value in choices.items() if not str(key).startswith("hydra")}


def make_loader(groups: Groups) -> Any:
    """Return Hydra's loader over the folders of configuration, ours first."""
    from hydra import version
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.config_repository import ConfigRepository
    from hydra._internal.utils import create_config_search_path
    from hydra.core.config_search_path import SearchPathQuery
    from hydra.core.utils import setup_globals

    class Repository(ConfigRepository):
        """Notes on an exception which file was being loaded."""

        def load_config(self, config_path: str) -> Any:
            try:
                return super().load_config(config_path)
            except Exception as error:
                error.add_note(f"In '{config_path}':")
                raise

    class Loader(ConfigLoaderImpl):
        """Keeps the list of files that it merges."""

        merged: Sequence[Any] = ()

        def _compose_config_from_defaults_list(self, defaults: Any, repo: Any) -> DictConfig:
            self.merged = list(defaults)
            return super()._compose_config_from_defaults_list(defaults, repo)

    version.setbase("1.3")
    use_plugins()
    setup_globals()
    search_path = create_config_search_path(str(groups.folders[0]))
    for folder in groups.folders[1:]:
        search_path.prepend("command-line", f"file://{folder}", SearchPathQuery(provider="schema"))
    loader = Loader(search_path)
    loader.repository = Repository(search_path)
    return loader


def use_plugins() -> None:
    """Let Hydra find our launcher, which is a plugin in a folder of its own."""
    if str(PLUGINS) not in sys.path:
        sys.path.append(str(PLUGINS))


def _load(loader: Any, config_name: str, typed: Sequence[Typed], groups: Groups) -> DictConfig:
    from hydra.types import RunMode

    overrides = [override.hydra_form(groups) for override in typed]
    config = loader.load_configuration(config_name, overrides, RunMode.RUN)
    assert isinstance(config, DictConfig)
    return config


def _layers(merged: Sequence[Any], groups: Groups) -> list[Layer]:
    files = ((groups.file(default.config_path), default.package or "") for default in merged if default.config_path)
    return [Layer(path, package) for path, package in files if path is not None]


class _Obstacle:
    """An exception of Hydra's, what to say of it, and what to leave out or put in for another attempt."""

    def __init__(self, error: Exception, typed: list[Typed], groups: Groups) -> None:
        self.error, self.typed, self.groups = error, typed, groups
        notes = getattr(error, "__notes__", [])
        self.text = "\n".join([*notes, str(error) or str(error.__cause__ or type(error).__name__)])
        found = re.search(r"In '([^']+)':", self.text)
        self.config_path = found[1] if found else ""

    def overcome(self) -> tuple[Problem | None, list[Typed] | None]:
        """Return the problem, and the overrides for the next attempt: None where there is nothing left to try."""
        missing = re.search(r"Could not (?:find|load) '([^']+)'", self.text)
        if missing and "/" in missing[1]:
            return self._missing_choice(missing[1])
        if self.config_path:
            return self._in_file(self._reason()), self._without_choice_of(self.config_path)
        named = [override for override in self.typed if self._names(override)]
        if not named:
            return Problem(self._place(), "", self._reason()), None
        override = named[-1]
        others = [other for other in self.typed if other is not override]
        if "Could not override" in self.text and override.is_choice(self.groups) and not override.append:
            return None, [*others, replace(override, append=True)]
        what = "there is nothing to remove" if override.delete else self._reason()
        return Problem(COMMAND_LINE, override.canonical, what), others

    def _missing_choice(self, name: str) -> tuple[Problem, list[Typed] | None]:
        """Name the file that chooses what is not there; go on with the nearest choice, or without that file."""
        group, _, choice = name.rpartition("/")
        choices = self.groups.choices(group)
        problem = Problem(self._place(choice), f"{group}: {choice}", *no_such_choice(group, choice, choices))
        likely = nearest(choice, choices)
        if likely and not any(override.key == group for override in self.typed):
            return problem, [*self.typed, Typed(f"{group}={likely}", group, (likely,))]
        return problem, self._without_choice_of(self.config_path)

    def _in_file(self, reason: str) -> Problem:
        unknown = re.search(r"Could not override '([^']+)'", self.text)
        if unknown:
            group = unknown[1]
            question = nearest(group, self.groups.names())
            hint = f"did you mean {question}?" if question else ""
            return Problem(self._place(group), f"override {group}", "no such group in the defaults list", hint)
        return Problem(self._place(), "", reason)

    def _place(self, word: str = "") -> str:
        """Return the file that is to blame, with the line of a syntax error or of a word in it."""
        mark = getattr(self.error, "problem_mark", None) or getattr(self.error, "context_mark", None)
        path = self.groups.file(self.config_path) if self.config_path else None
        if path is None:
            return readable(self.groups.folders[0])
        if mark is not None:
            return f"{readable(path)}:{mark.line + 1}"
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
        line = next((number for number, text in enumerate(lines, 1) if word and pattern.search(text.partition("#")[0])), 0)
        return f"{readable(path)}:{line}" if line else readable(path)

    def _reason(self) -> str:
        problem = getattr(self.error, "problem", None)
        if problem:  # YAML's own words
            return f"not valid YAML: {problem}"
        lines = [line for line in self.text.splitlines() if line and not line.startswith("In '")]
        cause = str(self.error.__cause__ or "").partition("\n")[0]
        first = re.sub(r"^In '[^']+': ", "", lines[0] if lines else self.text)
        return ": ".join(dict.fromkeys(part for part in (first, cause) if part))

    def _without_choice_of(self, config_path: str) -> list[Typed] | None:
        """Return the overrides without those that chose the file that cannot be used."""
        group, _, choice = config_path.rpartition("/")
        kept = [o for o in self.typed if not (o.key == group and choice in (_names_of(o)))]
        return kept if len(kept) < len(self.typed) else None

    def _names(self, override: Typed) -> bool:
        """Return whether the message speaks of an override."""
        return override.hydra_form(self.groups) in self.text or f"'{override.key}'" in self.text


def _names_of(override: Typed) -> list[str]:
    value = override.values[0]
    return [str(name) for name in (value if isinstance(value, list) else [value])]
