"""What loggers refuse of names, told before they are imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from src.config.composed import Composed
from src.config.problems import Problem

WANDB = "src.runs.wandb.WandbRun"
TENSORBOARD = "pytorch_lightning.loggers.TensorBoardLogger"
NOT_IN_PROJECTS = "/\\#?%:"
LONGEST_NAME, LONGEST_TAG = 128, 64
"""Characters: of a project, an entity or a run's name; of a tag. wandb 0.31's settings and its server check them."""


def problems(composed: Composed, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what a run's loggers would refuse when everything else has been done."""
    loggers = values.get("logger")
    if "logger" in composed.unsure or not isinstance(loggers, Mapping):
        return
    for name, section in loggers.items():
        key, target = f"logger.{name}", section.get("_target_") if isinstance(section, Mapping) else None
        if target == WANDB:
            found = [*_project(key, section.get("project")), *_entity(key, section.get("entity")), *_own_names(values)]
            yield from (Problem(*composed.origins.of(key), what, hint) for key, what, hint in found)
        if target == TENSORBOARD and section.get("log_graph"):
            what = "draws a network from an example input, and no model keeps one"
            yield Problem(*composed.origins.of(f"{key}.log_graph"), what, "leave it out")


_Found = Iterator[tuple[str, str, str]]
"""A key, what is wrong with it, and what to type."""


def _project(key: str, project: Any) -> _Found:
    if not isinstance(project, str):
        return
    odd = [character for character in NOT_IN_PROJECTS if character in project]
    team, _, rest = project.partition("/")
    if odd == ["/"] and team and rest and "/" not in rest:
        hint = f"type {key}.entity={team} {key}.project={rest}"
    else:
        hint = "type another"
    if odd:
        yield f"{key}.project", f"W&B takes no {' '.join(odd)} in the name of a project", hint
    yield from _length(f"{key}.project", project, "the name of a project", LONGEST_NAME)


def _entity(key: str, entity: Any) -> _Found:
    if not isinstance(entity, str):
        return
    if not all(character.isalnum() or character in "-_." for character in entity):
        what = f"{entity!r} is no team or person of W&B: their names have letters, digits, - and _"
        yield f"{key}.entity", what, "type one of them, or null for your own"
    yield from _length(f"{key}.entity", entity, "the name of a team", LONGEST_NAME)


def _own_names(values: Mapping[str, Any]) -> _Found:
    name, tags = values.get("name"), values.get("tags")
    if isinstance(name, str):
        yield from _length("name", name, "the name of a run", LONGEST_NAME)
    for tag in tags if isinstance(tags, list) else ():
        yield from _length("tags", str(tag), f"the tag {str(tag)[:12]}{'...' * (len(str(tag)) > 12)}", LONGEST_TAG)


def _length(key: str, text: str, what: str, most: int) -> _Found:
    if not text.strip():
        yield key, f"{what.rstrip()} is empty, which W&B refuses", "type one, or leave it out"
    elif len(text) > most:
        yield key, f"{what} has {len(text)} characters, W&B takes {most}", "type a shorter one, or logger=csv"
