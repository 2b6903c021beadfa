"""The experiments of params.yaml: a string of overrides each, composed and checked as if it had been typed."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from src.config.assess import assess
from src.config.composed import Composed
from src.config.groups import Groups
from src.config.modules import find
from src.config.problems import COMMAND_LINE, ConfigurationError, Problem, did_you_mean, listing

FIRST, LATER = "experiments", "successors"
"""The sections of params.yaml: what starts by itself, and what starts from an experiment of the first section."""

EXPLANATIONS = "explanations"
"""A third one, of what is to be explained of them."""

OUTPUTS = "outputs"
"""The folder in which an experiment's outputs have its name, so that `model.source=outputs/NAME` is one."""

PIPELINE = "dvc.yaml"
"""Whose first stage, `configs`, depends on all code."""

NOT_HERE = ("run_dir", "runs_dir", "sweep_dir", "resume", "replay", "only_batch")
"""Keys that the pipeline sets."""


@dataclass(frozen=True)
class Experiment:
    """An entry of params.yaml."""

    name: str
    overrides: tuple[str, ...]
    composed: Composed
    source: str | None
    """The experiment that it starts from; a successor has one, others have none."""

    @property
    def trust(self) -> tuple[str, ...]:
        """What is typed to open its run again: a run directory itself never says which packages it may use."""
        packages = self.composed.config.allowed_packages
        return (f"allowed_packages=[{','.join(packages)}]",) if packages else ()


def read_experiments(path: Path) -> dict[str, Experiment]:
    """Compose all experiments, by name.

    Raises ConfigurationError with everything that is wrong, in whichever of them.
    """
    entries, problems = _entries(sections_of(path), path)
    first = [entry.name for entry in entries if entry.section == FIRST]
    found: dict[str, Experiment] = {}
    for entry in entries:
        try:
            found[entry.name] = _compose(entry, first, Groups())
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    return found


@dataclass(frozen=True)
class _Entry:
    """An experiment as it stands in the file, and where."""

    section: str
    name: str
    text: str
    where: str


def _compose(entry: _Entry, first: list[str], groups: Groups) -> Experiment:
    """Compose one experiment. Raises ConfigurationError with what is wrong with it."""
    try:
        overrides = tuple(shlex.split(entry.text))
    except ValueError as error:
        raise ConfigurationError([Problem(entry.where, entry.text, str(error))]) from error
    found = assess("train", overrides, groups)
    problems = [replace(one, where=entry.where) if one.where == COMMAND_LINE else one for one in found.problems]
    source = _source(found.composed) if found.composed else None
    if found.composed:
        problems += _not_of_a_pipeline(entry.where, found.composed)
        problems += _wrong_source(entry, source, first)
        problems += _unwatched(entry.where, found.composed)
    if problems or found.composed is None:
        raise ConfigurationError(problems)
    return Experiment(entry.name, overrides, found.composed, Path(source).name if source else None)


def sections_of(path: Path) -> dict[str, Any]:
    """Return the sections of params.yaml. Raises ConfigurationError where it cannot be read, or holds something else.

    A file without explanations has none of them.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError([Problem(str(path), "", f"cannot be read: {error}")]) from error
    sections = dict(content) if isinstance(content, Mapping) else {}
    known = (FIRST, LATER, EXPLANATIONS)
    sections.setdefault(EXPLANATIONS, {})
    problems = [
        Problem(str(path), str(key), "unknown", did_you_mean(str(key), known)) for key in sections if key not in known
    ]
    for section in known:
        if not isinstance(sections.get(section), Mapping):
            what = "must be a section of NAME: overrides"
            problems.append(Problem(str(path), section, what, "{} where there are none"))
    if problems:
        raise ConfigurationError(problems)
    return sections


def _entries(sections: Mapping[str, Any], path: Path) -> tuple[list[_Entry], list[Problem]]:
    """Return the experiments as they stand in the file, and what is wrong with others."""
    entries: list[_Entry] = []
    problems: list[Problem] = []
    for section in (FIRST, LATER):
        for name, text in sections[section].items():
            entry = _Entry(section, str(name), text, f"{path} {section}.{name}")
            if not isinstance(text, str):
                problems.append(Problem(entry.where, "", "must be one text of overrides, as they are typed"))
            elif not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", entry.name):
                problems.append(Problem(entry.where, "", "a name has letters, digits, _ and - only"))
            elif entry.name in (other.name for other in entries):
                problems.append(Problem(entry.where, "", f"there is an experiment of that name under {FIRST} too"))
            else:
                entries.append(entry)
    return entries, problems


def _not_of_a_pipeline(where: str, composed: Composed) -> Iterator[Problem]:
    for key in sorted({override.key for override in composed.typed} & set(NOT_HERE)):
        yield Problem(where, key, "is set by the pipeline", "leave it out")


def _unwatched(where: str, composed: Composed) -> Iterator[Problem]:
    """Yield the packages whose files are below no dependency of the first stage: a change there would run nothing.

    Those that were installed change with a version, as torch does.
    """
    for package in composed.config.allowed_packages:
        file = find(package)
        if file is None or "site-packages" in file.parts:
            continue
        folder = file.parent if file.name == "__init__.py" else file
        if not is_watched(folder):
            place = Path(os.path.relpath(folder)).as_posix()
            what = f"{package} is below no dependency of the stage configs, so a change there would run nothing"
            yield Problem(where, "allowed_packages", what, f"add {place} to its deps in {PIPELINE}")


def is_watched(path: Path) -> bool:
    """Return whether a file or folder is, or lies below, a dependency of the first stage: else DVC misses a change."""
    content = yaml.safe_load(Path(PIPELINE).read_text(encoding="utf-8"))
    places = content["stages"]["configs"]["deps"]
    return any(path.resolve().is_relative_to(Path(str(place)).resolve()) for place in places)


def _source(composed: Composed) -> str | None:
    """Return what an experiment starts from, unless that is published weights by their name or address."""
    for section, key in (("model", "source"), ("network", "weights")):
        value = (composed.config.get(section) or {}).get(key)
        if isinstance(value, str) and not value.startswith(("http://", "https://")):
            path = Path(value)
            if len(path.parts) > 1 or path.exists():
                return path.as_posix()
    return None


def _wrong_source(entry: _Entry, source: str | None, first: list[str]) -> Iterator[Problem]:
    """Yield why an experiment cannot start from `source` here."""
    if source is None:
        if entry.section == LATER:
            yield Problem(entry.where, "model.source", f"names no experiment: without one it stands under {FIRST}")
        return
    folder, _, name = source.rpartition("/")
    if folder != OUTPUTS or name not in first:
        what = f"{source} is not of an experiment under {FIRST}, so the pipeline cannot make it"
        near = did_you_mean(name, first) or f"name one of {listing(first)}"
        yield Problem(entry.where, "model.source", what, f"{near} ({OUTPUTS}/NAME)")
    elif entry.section == FIRST:
        yield Problem(entry.where, "model.source", "an experiment that starts from another stands under " + LATER)
