"""A run as its directory tells it, whole or in part: what a report over several runs is made from."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from zipfile import BadZipFile

import yaml

from src.config.groups import Loader
from src.config.settings import settings, settings_digest
from src.errors import UserError
from src.report.answered import kept_sections
from src.report.curves import History, read_history
from src.report.find import MARK
from src.report.layout import EXPLANATIONS, Section
from src.report.naming import data_words, lookup, network_words, short, what

Value = TypeVar("Value")

_NOT_TO_REPEAT = ("run_dir", "sweep_dir", "resume")


@dataclass(frozen=True)
class Run:
    """What there is of a run. `label` tells it from the others on the page; `missing` says which files are not used."""

    path: Path
    label: str
    config: Mapping[str, Any]
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: History = field(default_factory=History)
    record: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, Any] = field(default_factory=dict)
    composed: Mapping[str, Any] = field(default_factory=dict)
    sections: Sequence[Section] = ()
    own_report: str | None = None
    """Where its own report.html lies, seen from the page, as an address."""
    explanations: str | None = None
    """Likewise its page of explanations."""
    missing: Sequence[str] = ()
    compared_by: tuple[str, str] | None = None
    """The metric and its direction that the page compares by, where that is not the run's own."""

    @property
    def status(self) -> str:
        """How it ended, by its record; of an exported run, whether there are final figures."""
        return str(self.record.get("status") or ("finished" if self.metrics else "unfinished"))

    @property
    def what(self) -> str:
        """Network and data in words."""
        return what(self._chosen)

    @property
    def network(self) -> str:
        """The network in words."""
        return network_words(self.config)

    @property
    def data_set(self) -> str:
        """What the data set is called."""
        return data_words(self._chosen)

    @property
    def _chosen(self) -> dict[str, Any]:
        choices = self.composed.get("choices") or {}
        return {**self.config, "choices": {group: choices.get(group) for group in ("model", "data")}}

    @property
    def problem(self) -> str:
        """The learning problem: the class that learns."""
        return str(short("_target_", lookup(self.config, "model._target_")))

    @property
    def monitor(self) -> str:
        """The metric to compare by: a sweep's, else that by which the weights were chosen."""
        return self.compared_by[0] if self.compared_by else str(lookup(self.config, "model.monitor"))

    @property
    def mode(self) -> str:
        """`max` or `min`: whether it should be large."""
        return self.compared_by[1] if self.compared_by else str(lookup(self.config, "model.monitor_mode"))

    @property
    def seed(self) -> Any:
        """The seed of all its random numbers."""
        return self.config.get("seed")

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The values by dotted key that a result depends on."""
        return settings(self.config)

    @property
    def digests(self) -> dict[str, str | None]:
        """Digests of the configuration, the code and the data; None where the directory does not say."""
        code = lookup(self.record, "code.digest") or self.code.get("digest")
        data = self.data.get("digest") or self.record.get("data_digest")
        return {"configuration": settings_digest(self.config), "code": code, "data": data}

    @property
    def command(self) -> str | None:
        """What to type to run the same configuration again, None where the directory does not say."""
        typed = self.composed.get("overrides")
        if typed is None:
            return None
        folders = [word for folder in self.composed.get("folders") or () for word in ("--config-dir", str(folder))]
        kept = [str(text) for text in typed if str(text).partition("=")[0] not in _NOT_TO_REPEAT]
        return shlex.join(["python", "-m", "src.train", *folders, *kept])


def read_runs(
    paths: Sequence[Path],
    page: Path,
    *,
    pictures: bool,
    explained: Collection[Path] | None = None,
    compared_by: tuple[str, str] | None = None,
) -> list[Run]:
    """Read run directories for a `page`, their pictures too where they are to be shown.

    `explained` are those that have a page of explanations, or will have; None: those where it lies by now.
    Raises UserError with all that are no run directories.
    """
    folders = [path.resolve() for path in paths]
    base = os.path.commonpath([folder.parent for folder in folders]) if folders else ""
    if explained is None:
        explained = [path for path in paths if (path / EXPLANATIONS).is_file()]
    runs = [
        _read(folder, os.path.relpath(folder, base), page, pictures=pictures, explained=path in explained)
        for path, folder in zip(paths, folders, strict=True)
    ]
    wrong = [f"  {path}" for path, run in zip(paths, runs, strict=True) if "model" not in run.config]
    if wrong:
        raise UserError("\n".join([f"not a run directory, its {MARK} is none of a run, or it has none:", *wrong]))
    return [replace(run, compared_by=compared_by) for run in runs]


def _read(path: Path, label: str, page: Path, *, pictures: bool, explained: bool) -> Run:
    missing: list[str] = []

    def part(name: str, read: Callable[[], Value], empty: Value) -> Value:
        try:
            return read()
        except FileNotFoundError:
            missing.append(name)
        except (OSError, EOFError, ValueError, LookupError, TypeError, csv.Error, yaml.YAMLError, BadZipFile) as error:
            missing.append(f"{name} (cannot be read: {str(error)[:120]})")
        return empty

    def yaml_of(name: str) -> dict[str, Any]:
        return _mapping(yaml.load((path / name).read_bytes(), Loader))  # a safe one, written in C

    def json_of(name: str) -> dict[str, Any]:
        return _mapping(json.loads((path / name).read_bytes()))

    nothing: dict[str, Any] = {}
    figures = part("metrics.json", lambda: json_of("metrics.json"), nothing)
    report = path / "report.html"
    code: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError, TypeError):
        code = json_of("code.json" if (path / "code.json").exists() else "modules.json")  # the latter of the pipeline
    return Run(
        path=path,
        label=label,
        config=part("config.yaml", lambda: yaml_of("config.yaml"), {}),
        metrics={key: float(value) for key, value in figures.items() if isinstance(value, int | float)},
        history=part("metrics.csv", lambda: read_history(path / "metrics.csv"), History()),
        record=part("record.json", lambda: json_of("record.json"), {}),
        data=part("data.json", lambda: json_of("data.json"), {}),
        code=code,
        composed=part("compose.yaml", lambda: yaml_of("compose.yaml"), {}),
        sections=part("answers-test.npz", lambda: kept_sections(path), []) if pictures else (),
        own_report=_address(report, page) if report.is_file() else None,
        explanations=_address(path / EXPLANATIONS, page) if explained else None,
        missing=missing,
    )


def _address(file: Path, page: Path) -> str:
    """Return where a file lies, seen from the page."""
    return quote(os.path.relpath(file, page.resolve().parent))


def _mapping(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise TypeError("it does not hold a table of keys and values")
    return found
