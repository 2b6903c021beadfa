"""Hydra's loader, made to go on: a file or a choice that cannot be used is noted and left out, not the end.

This is the loader behind `hydra.main`, used without it (hydra-core is pinned below 1.4): it needs no global state,
composes once, and can tell which files it merged.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.default_element import ConfigDefault, GroupDefault, InputDefault, ResultDefault
from hydra.core.utils import setup_globals
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf

from src.config.groups import Groups, readable
from src.config.overrides import no_such_choice
from src.config.problems import Problem, did_you_mean, nearest

_HYDRA_KEY = re.compile(r"Key '(\w+)' not in '(\w+)'")


class Findings:
    """What was wrong with the files that were loaded, each mistake once however often it is met."""

    def __init__(self, groups: Groups) -> None:
        self.groups = groups
        self.problems: dict[tuple[str, str], Problem] = {}
        self.unsure: set[str] = set()
        """Groups whose choice was lost with a file or an entry."""
        self.ignored: set[str] = set()
        """Files that nothing is taken from."""
        self.command: set[str] = set()
        """The groups that the command's own configuration has."""

    def add(self, config_path: str, key: str, what: str, suggestion: str = "") -> None:
        """Note a mistake in a file, on the line of the last name in `key`."""
        where = self.place(config_path, self._line(config_path, re.split("[ /]", key)[-1]))
        self.problems.setdefault((config_path, key), Problem(where, key, what, suggestion))

    def ignore(self, config_path: str, error: Exception) -> None:
        """Note why a file cannot be used, and take nothing from it."""
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        what = f"cannot be used: {reason(error)}"
        named = _HYDRA_KEY.search(str(error))
        where = self.place(config_path, mark.line + 1 if mark else self._line(config_path, named[1] if named else ""))
        self.problems.setdefault((config_path, ""), Problem(where, config_path, what, _hydra_key(error)))
        self.ignored.add(config_path)
        self.unsure.add(config_path.rpartition("/")[0])

    def place(self, config_path: str, line: int = 0) -> str:
        """Return a file, with the line, as it is shown."""
        path = self.groups.file(config_path)
        shown = readable(path) if path else config_path
        return f"{shown}:{line}" if line else shown

    def _line(self, config_path: str, word: str) -> int:
        path = self.groups.file(config_path)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path and word else []
        pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
        return next((number for number, text in enumerate(lines, 1) if pattern.search(text.partition("#")[0])), 0)


class Repository(ConfigRepository):
    """The files of configuration; entries of defaults lists that lead nowhere are noted and mended."""

    def __init__(self, search_path: ConfigSearchPath, findings: Findings) -> None:
        super().__init__(search_path)
        self.findings = findings

    def __deepcopy__(self, _: dict[int, Any]) -> Repository:
        """Return a copy with the same findings; the sources are replaced, never changed."""
        return copy.copy(self)

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Return a file's content; of one that cannot be read or is ignored, nothing."""
        ours = self.findings.groups.file(config_path) is not None
        if ours and config_path in self.findings.ignored:
            return _nothing()
        try:
            result = super().load_config(config_path)
        except Exception as error:  # YAML, encoding, Hydra's own complaints: all of them are about this file
            if not ours or "/" not in config_path:
                raise
            self.findings.ignore(config_path, error)
            return _nothing()
        if result is not None and ours:
            if "/" not in config_path:
                self.findings.command = {_group(entry) for entry in result.defaults_list or ()}
            entries = [self._mended(config_path, entry) for entry in self._of_use(config_path, result)]
            result.defaults_list = [entry for entry in entries if entry is not None]
        return result

    def _of_use(self, config_path: str, result: ConfigResult) -> list[InputDefault]:
        """Return a file's entries, less what data choose for training where the command trains nothing."""
        entries = list(result.defaults_list or ())
        if not config_path.startswith("data/"):
            return entries
        return [entry for entry in entries if not _is_override(entry) or _group(entry) in self.findings.command]

    def _mended(self, config_path: str, entry: InputDefault) -> InputDefault | None:
        """Return an entry with unknown choices replaced by what was likely meant, None where nothing is near."""
        folder = config_path.rpartition("/")[0]
        if isinstance(entry, ConfigDefault) and entry.path and not entry.is_self() and not entry.optional:
            group, _, choice = _absolute(folder, entry.path).rpartition("/")
            known = self._known(config_path, group, choice)
            entry.path = f"{entry.path.removesuffix(choice)}{known}"
            return entry if known else None
        if not isinstance(entry, GroupDefault) or entry.optional or entry.value is None or entry.group is None:
            return entry
        group = _absolute(folder, entry.group)
        if not self.group_exists(group):
            self._note_group(config_path, entry, group)
            return None
        values = entry.value if isinstance(entry.value, list) else [entry.value]
        found = [known for value in values if (known := self._known(config_path, group, str(value)))]
        if not found:
            return None
        entry.value = found if isinstance(entry.value, list) else found[0]
        return entry

    def _note_group(self, config_path: str, entry: GroupDefault, group: str) -> None:
        groups, (folder, _, name) = self.findings.groups, group.rpartition("/")
        hint = did_you_mean(group, groups.names())
        if folder and groups.is_group(name):
            hint = f"write `override /{name}: {entry.value}`"
        self.findings.add(config_path, f"override {group}" if entry.override else group, "no such group", hint)

    def _known(self, config_path: str, group: str, choice: str) -> str | None:
        """Return the choice where it exists, else note that it does not and return the nearest."""
        if "$" in choice or choice == "???" or self.config_exists(f"{group}/{choice}" if group else choice):
            return choice
        choices = self.findings.groups.choices(group, bases=choice.startswith("_"))
        self.findings.add(config_path, f"{group}: {choice}", *no_such_choice(group, choice, choices))
        match = nearest(choice, choices)
        if match is None:
            self.findings.unsure.add(group)
        return match


class Loader(ConfigLoaderImpl):
    """Composes over the folders of configuration and keeps the list of files that it merged."""

    def __init__(self, groups: Groups) -> None:
        from hydra import version

        version.setbase("1.3")
        setup_globals()
        search_path = create_config_search_path(str(groups.folders[0]))
        for folder in groups.folders[1:]:
            search_path.prepend("command-line", f"file://{folder}", SearchPathQuery(provider="schema"))
        super().__init__(search_path)
        self.findings = Findings(groups)
        self.repository = Repository(search_path, self.findings)
        self.merged: Sequence[ResultDefault] = ()

    def _compose_config_from_defaults_list(self, defaults: list[ResultDefault], repo: Any) -> DictConfig:
        self.merged = list(defaults)
        return super()._compose_config_from_defaults_list(defaults, repo)

    def _load_single_config(self, default: ResultDefault, repo: Any) -> ConfigResult:
        try:
            return super()._load_single_config(default, repo)
        except Exception as error:  # an interpolation that cannot be read shows only now
            config_path = default.config_path or ""
            if self.findings.groups.file(config_path) is None or "/" not in config_path:
                raise
            self.findings.ignore(config_path, error)
            return _nothing()


def reason(error: Exception) -> str:
    """Return in one line why something could not be read or merged."""
    problem = getattr(error, "problem", None)
    if problem:  # YAML's own words
        return f"not valid YAML: {problem}"
    text = str(error) or str(error.__cause__ or type(error).__name__)
    lines = re.sub(r"^In '[^']+': ", "", text).splitlines()
    first = lines[1] if lines[0].endswith(":") and len(lines) > 1 else lines[0]
    cause = str(error.__cause__ or "").partition("\n")[0]
    return ": ".join(dict.fromkeys(part for part in (first, cause) if part))


def _hydra_key(error: Exception) -> str:
    """Return what was likely meant by a key that Hydra's own section does not have."""
    import hydra.conf

    found = _HYDRA_KEY.search(str(error))
    fields = getattr(getattr(hydra.conf, found[2], None), "__dataclass_fields__", {}) if found else {}
    return did_you_mean(found[1], list(fields)) if found else ""


def _nothing() -> ConfigResult:
    return ConfigResult(
        provider="", path="", config=OmegaConf.create({}), header={"package": "_global_"}, defaults_list=[]
    )


def _is_override(entry: InputDefault) -> bool:
    return isinstance(entry, GroupDefault) and bool(entry.override)


def _group(entry: InputDefault) -> str:
    return (entry.group or "").removeprefix("/") if isinstance(entry, GroupDefault) else ""


def _absolute(folder: str, name: str) -> str:
    """Return the full name of a group or file that a defaults list in `folder` names."""
    return name.removeprefix("/") if name.startswith("/") or not folder else f"{folder}/{name}"
