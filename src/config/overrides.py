"""What was typed behind a command, read one by one and told apart into choices and values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from src.config.groups import Groups
from src.config.problems import COMMAND_LINE, Problem, did_you_mean, listing, nearest


@dataclass(frozen=True)
class Typed:
    """One override. `values` are those of a sweep, else the one value; a choice's are its names."""

    text: str
    key: str
    values: tuple[Any, ...]
    sweep: bool = False
    delete: bool = False
    package: str | None = None
    append: bool = False
    """Whether the choice is of a group that no defaults list names, such as one of the user's own."""
    parsed: Any = field(default=None, compare=False, repr=False)
    """What Hydra's parser made of it; None where it was made up here."""

    @property
    def canonical(self) -> str:
        """The override without plus signs: nobody needs them here, so they say nothing."""
        return self.text.lstrip("+")

    def is_choice(self, groups: Groups) -> bool:
        """Return whether the override chooses from a group, rather than give a value."""
        return not self.delete and groups.is_group(self.key) and not isinstance(self.values[0], dict)

    def is_plain(self, groups: Groups) -> bool:
        """Return whether the override gives a value, which decides nothing about the files that are merged."""
        others = self.delete or self.package is not None or self.key.partition("/")[0].partition(".")[0] == "hydra"
        return not (others or self.is_choice(groups))

    def hydra_form(self, groups: Groups) -> str:
        """Return what to hand to Hydra: values are forced, so that unknown keys reach our own check."""
        if self.delete or self.key.startswith(("hydra.", "hydra/")) or self.package is not None:
            return self.text
        if not self.is_choice(groups):
            return f"++{self.canonical}"
        if self.values == (None,):  # Hydra takes no null for a choice on the command line, only in a file
            return f"~{self.key}"
        choice = self.canonical
        if not all(isinstance(value, str) for value in self.values):  # `debug=nan` is a number to Hydra
            choice = f"{self.key}={','.join(_written(names_in(value)) for value in self.values)}"
        return f"+{choice}" if self.append else choice


def names_in(value: Any) -> Any:
    """Return the name of a choice as text, or the list of them."""
    return [str(name) for name in value] if isinstance(value, list) else str(value)


def read(text: str) -> Typed | Problem:
    """Return a typed override, or what is wrong with it."""
    from hydra.errors import HydraException

    try:
        parsed = _parser().parse_override(text)
        values = tuple(_sweep_values(parsed)) if parsed.is_sweep_override() else (parsed.value(),)
    except (HydraException, ValueError) as error:
        return Problem(COMMAND_LINE, text, *_unreadable(text, error))
    key = str(parsed.key_or_group)
    sweep, delete = parsed.is_sweep_override(), parsed.is_delete()
    return Typed(text, key, values, sweep, delete, parsed.package, parsed=parsed)


@lru_cache(maxsize=1)
def _parser() -> Any:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create()


def _sweep_values(parsed: Any) -> Iterator[Any]:
    """Yield the values of a sweep over a list or a range; of an interval or a pattern, None."""
    from hydra.core.override_parser.types import ChoiceSweep, RangeSweep

    sweep = parsed.value()
    if isinstance(sweep, ChoiceSweep | RangeSweep):
        yield from map(_unquoted, parsed.sweep_iterator())
    else:
        yield None


def _unquoted(value: Any) -> Any:
    """Return a value without the marks that Hydra's parser keeps of its quotes."""
    if isinstance(value, list):
        return [_unquoted(item) for item in value]
    if isinstance(value, dict):
        return {_unquoted(key): _unquoted(item) for key, item in value.items()}
    return getattr(value, "text", value)


_MEANT_FIRST = ("model", "data")
"""The groups whose names people type alone."""


def _unreadable(text: str, error: Exception) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        return "has no value", f"type {key}=VALUE"
    if value.endswith(","):
        return "ends with a comma", f"no space belongs behind a comma: {key}={value}..."
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    quoted = value.replace("'", "")
    return f"cannot be read: {reason}", f"""text with special characters needs quotes: {key}="'{quoted}'\""""


def what_is_meant(texts: Sequence[str], number: int, groups: Groups, run_key: str | None) -> str | None:
    """Return what to type in place of a word without `=`: a choice's name, a run directory, or a part of a list.

    `run_key` is the key by which the command takes a run; None where it takes none. None where nothing is known.
    """
    text = texts[number]
    if "=" in text:
        return None
    if number and texts[number - 1].endswith(","):
        return f"no space belongs behind a comma: {texts[number - 1]}{text}"
    if run_key is not None and Path(text).exists():
        return f"type {run_key}={text}"
    named = groups.with_choice(text)
    named.sort(key=lambda group: group not in _MEANT_FIRST)
    return f"type {named[0]}={text}" if named else None


def without_spaced(texts: Sequence[str]) -> tuple[list[str], list[Problem]]:
    """Return the words without assignments typed with spaces (`model = resnet`), and a problem for each of those."""
    kept: list[str] = []
    found: list[Problem] = []
    rest = list(texts)
    while rest:
        text = rest.pop(0)
        if not text.startswith("=") or not kept or "=" in kept[-1]:
            kept.append(text)
            continue
        key, value = kept.pop(), text[1:]
        words = [key, text]
        if not value and rest and "=" not in rest[0]:
            value = rest.pop(0)
            words.append(value)
        found.append(
            Problem(COMMAND_LINE, " ".join(words), "has a space beside its =", f"type {key}={value or 'VALUE'}")
        )
    return kept, found


def split_overrides(overrides: Iterable[str], own_keys: Collection[str]) -> tuple[list[str], list[str]]:
    """Return a command's own overrides and those that apply to the saved run it names."""
    own: list[str] = []
    for_the_run: list[str] = []
    for text in overrides:
        name = text.lstrip("+~").partition("=")[0].partition("@")[0]
        is_own = name.replace("/", ".").partition(".")[0] in {*own_keys, "hydra"}
        (own if is_own else for_the_run).append(text)
    return own, for_the_run


def problems_of_choices(typed: Sequence[Typed], groups: Groups, command: str, *, multirun: bool) -> list[Problem]:
    """Return what is wrong with what was typed before anything is composed.

    These are unknown choices, sweeps without -m, and keys given two values, of which one would win silently.
    """
    found: list[Problem] = []
    for override in typed:
        if override.sweep and not multirun:
            hint = "add -m to try one after the other" if command == "train" else "type the command once for each"
            if not groups.is_group(override.key):
                hint += f"; a list is {override.key}=[...]"
            found.append(Problem(COMMAND_LINE, override.text, "several values for one run", hint))
        found += unknown_choices(override, groups)
    given: dict[str, Typed] = {}
    for override in typed:
        earlier = given.setdefault(override.key, override)
        if earlier.values != override.values and not earlier.delete:
            what = f"given twice, also as {earlier.canonical}"
            found.append(Problem(COMMAND_LINE, override.canonical, what, "keep one of them"))
    return found


def unknown_choices(override: Typed, groups: Groups) -> list[Problem]:
    """Return a problem for each name that a group has no choice of."""
    if not override.is_choice(groups) or override.key.startswith("hydra"):
        return []
    choices = groups.choices(override.key)
    names = [name for value in override.values for name in (value if isinstance(value, list) else [value])]
    return [
        Problem(
            COMMAND_LINE,
            f"{override.key}={name}",
            *no_such_choice(override.key, str(name), choices, groups.with_choice(str(name))),
        )
        for name in names
        if name is not None and str(name) not in choices
    ]


def no_such_choice(group: str, name: str, choices: Sequence[str], elsewhere: Sequence[str] = ()) -> tuple[str, str]:
    """Return what is wrong with an unknown choice, and what there is to choose from, the nearest first.

    `elsewhere` are the groups that have a choice of that very name.
    """
    if group == "data" and Path(name).is_dir():
        there = f"other data are {listing([choice for choice in choices if choice != 'folder'])}"
        return "is a folder, not a choice", f"did you mean data=folder data.root={name}? {there}"
    if elsewhere:
        meant = " or ".join(f"{other}={name}" for other in elsewhere)
        return f"no such {group}", f"did you mean {meant}? {group} is one of {listing(choices)}"
    question = did_you_mean(name, choices)
    there = listing(choices) or "none"
    return f"no such {group}", f"{question} ({there})" if question else f"there are: {there}"


def without_unknown(override: Typed, groups: Groups) -> Typed | None:
    """Return the override with unknown choices replaced by what was likely meant, so that the rest can be checked.

    None where nothing is near.
    """
    if not unknown_choices(override, groups):
        return override
    choices = groups.choices(override.key)

    def known(name: Any) -> str | None:
        return str(name) if str(name) in choices else nearest(str(name), choices)

    kept: list[Any] = []
    for value in override.values:
        names = [known(name) for name in value] if isinstance(value, list) else known(value)
        kept.append([name for name in names if name] if isinstance(names, list) else names)
    kept = [value for value in kept if value]
    if not kept:
        return None
    return Typed(f"{override.key}={_written(kept[0])}", override.key, tuple(kept[:1]))


def first_of_sweep(override: Typed) -> Typed | None:
    """Return the override with the first value of its sweep alone; None where it has no list of values."""
    if not override.sweep:
        return override
    if override.values[0] is None:
        return None
    return Typed(f"{override.key}={_written(override.values[0])}", override.key, override.values[:1])


def _written(value: Any) -> str:
    """Return a value as Hydra reads it back."""
    if isinstance(value, list):
        return "[" + ",".join(_written(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_written(item)}" for key, item in value.items()) + "}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    return str(value)
