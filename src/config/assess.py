"""From overrides as typed to a composed configuration and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from src.config import check, effects, schema
from src.config.composed import Composed
from src.config.composition import Composition, compose_leniently
from src.config.groups import Groups
from src.config.overrides import (
    Typed,
    first_of_sweep,
    problems_of_choices,
    read,
    split_overrides,
    what_is_meant,
    without_spaced,
    without_unknown,
)
from src.config.problems import COMMAND_LINE, ConfigurationError, Problem, did_you_mean

if TYPE_CHECKING:
    from omegaconf import DictConfig


@dataclass
class Assessment:
    """A configuration, where there could be one, what is wrong with it, and how Hydra would be told the same."""

    composed: Composed | None
    problems: list[Problem]
    hydra_overrides: list[str]
    typed: tuple[Typed, ...] = ()
    """The command's own overrides that could be read, those of a sweep with all their values."""

    def accepted(self) -> Composed:
        """Return the configuration. Raises ConfigurationError with all problems where there are any."""
        if self.problems or self.composed is None:
            raise ConfigurationError(self.problems)
        return self.composed


def assess(
    command: str,
    texts: Sequence[str],
    groups: Groups,
    *,
    config_name: str | None = None,
    multirun: bool = False,
    compose: Callable[[str, Sequence[Typed], Groups], Composition] = compose_leniently,
) -> Assessment:
    """Compose and check what was typed behind a command.

    A sweep (`multirun`) is checked with the first value of each of its lists, and each name in its lists of choices.
    """
    texts, spaced = without_spaced(texts)
    own, for_the_run = _split(command, texts)
    texts = (*own, *for_the_run)
    readings = [read(text) for text in texts]
    run_key = schema.SAVED_RUN[command][0] if command in schema.SAVED_RUN else None
    for number, reading in enumerate(readings):
        if isinstance(reading, Problem) and (meant := what_is_meant(texts, number, groups, run_key)):
            readings[number] = replace(reading, suggestion=meant)
    unreadable = [reading for reading in readings if isinstance(reading, Problem)]
    typed = [reading for reading in readings[: len(own)] if isinstance(reading, Typed)]
    problems = [*spaced, *unreadable, *problems_of_choices(typed, groups, command, multirun=multirun)]
    problems += [*_strange_to_a_run(command, readings[len(own) :], groups)]
    foreign = [override for override in typed if _is_foreign(command, override, groups)]
    taken = ", ".join(schema.COMMANDS[command][1])
    problems += [
        Problem(
            COMMAND_LINE, override.canonical, f"{command} has no {override.key.partition('.')[0]}", f"it takes {taken}"
        )
        for override in foreign
    ]
    typed = [override for override in typed if override not in foreign]
    usable = [kept for one in typed if (first := first_of_sweep(one)) if (kept := without_unknown(first, groups))]
    composition = compose(config_name or command, usable, groups)
    problems += composition.problems
    composed = None
    if composition.config is not None:
        _leave_out_brought(composition.config, command)
        composed = Composed(
            config=composition.config,
            overrides=tuple(override.canonical for override in usable),
            choices=composition.choices,
            command=command,
            for_the_run=tuple(text.lstrip("+") for text in for_the_run),
            layers=composition.layers,
            groups=groups,
            unsure=_unsure(typed, usable, composition, groups),
            launcher=composition.launcher,
        )
        problems += check.problems(composed)
        problems += _without_effect(composed, typed, readings[len(own) :])
    return Assessment(composed, problems, [override.hydra_form(groups) for override in typed], tuple(typed))


def _leave_out_brought(config: DictConfig, command: str) -> None:
    """Take away what a network brings for its training where the command does not train."""
    from omegaconf import flag_override

    with flag_override(config, ["struct", "readonly"], [False, False]):
        for name in set(schema.BROUGHT) - set(schema.COMMANDS[command][1]):
            config.pop(name, None)


def _split(command: str, texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the command's own overrides, and those for the saved run that it names, where it names one."""
    if command not in schema.SAVED_RUN:
        return list(texts), []
    if command != "train":
        plain, sections = schema.COMMANDS[command]
        return split_overrides(texts, {*plain_keys(plain), *sections})
    keys = schema.SAVED_RUN[command]
    named = [text for text in texts if text.lstrip("+").partition("=")[0] in keys]
    if not any(text.partition("=")[2] not in ("", "null", "auto") for text in named):
        return list(texts), []
    return split_overrides(texts, keys)


def plain_keys(dataclass_name: str) -> list[str]:
    """Return the plain keys of a command's configuration."""
    from src.config.signatures import signature

    return list(signature(f"{schema.ARGUMENTS}.{dataclass_name}").parameters)


def _strange_to_a_run(command: str, readings: Sequence[Typed | Problem], groups: Groups) -> Iterator[Problem]:
    """Yield the overrides that are neither the command's own nor could be those of a run."""
    names = [*plain_keys(schema.COMMANDS[command][0]), *plain_keys("Train"), *schema.SECTIONS, *groups.names()]
    for override in readings:
        if isinstance(override, Typed) and override.key.partition(".")[0] not in names:
            yield Problem(COMMAND_LINE, override.canonical, "unknown", did_you_mean(override.key, names))


def _without_effect(composed: Composed, own: Sequence[Typed], for_the_run: Sequence[Typed | Problem]) -> list[Problem]:
    """Return a problem for what the command would take and ignore: of its own, and of what is said of its run."""
    groups, saved = composed.groups, [one for one in for_the_run if isinstance(one, Typed)]
    if composed.command in effects.ALONE and not composed.config.get("run"):
        return effects.refused(effects.ALONE[composed.command], own, groups)
    if composed.command not in effects.OF_A_RUN:
        return []
    split = composed.command == "explain" and composed.config.get("split") is not None
    work = effects.EXPLAIN_SPLIT if split else effects.OF_A_RUN[composed.command]
    known = {*groups.names(), *schema.SECTIONS, *plain_keys("Train")}
    of_the_run = [one for one in saved if one.key.partition(".")[0] in known]
    return [*effects.refused(effects.BESIDE_A_RUN, own, groups), *effects.refused(work, of_the_run, groups)]


def _is_foreign(command: str, override: Typed, groups: Groups) -> bool:
    """Tell whether an override is for a section that a command without a saved run does not have."""
    section = override.key.partition(".")[0]
    if section == "experiment" and command in schema.WITH_EXPERIMENTS:
        return False
    known = section in schema.SECTIONS or section in groups.names()
    return command not in schema.SAVED_RUN and known and section not in schema.COMMANDS[command][1]


def _unsure(
    typed: Sequence[Typed], usable: Sequence[Typed], composition: Composition, groups: Groups
) -> frozenset[str]:
    """Return the sections whose choice was typed but could not be used, so that their keys cannot be judged."""
    chosen = {override.key for override in typed if override.is_choice(groups)}
    lost = (chosen - {override.key for override in usable}) | set(composition.lost)
    sections: set[Any] = set(lost)
    if "model" in lost:
        sections.add("network")
    if lost & {"experiment", "debug"}:
        sections |= set(schema.SECTIONS) - (chosen - lost)
    return frozenset(sections)
