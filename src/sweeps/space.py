"""What is swept: Hydra's grammar for several values (`1,2`, `choice`, `range`, `interval`, `glob`, `tag(log, ...)`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src.config.groups import Groups
from src.config.overrides import Typed, read
from src.config.problems import COMMAND_LINE, ConfigurationError, Problem
from src.errors import UserError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = str | int | float


@dataclass(frozen=True)
class Dimension:
    """A swept key: several values to choose from, or a stretch between two numbers."""

    key: str
    text: str
    """As it was typed: `optimizer.lr=interval(0.01,1)`."""
    choices: tuple[str, ...] = ()
    """The values as they are typed; empty for a stretch."""
    low: float = 0
    high: float = 0
    step: float | None = None
    log: bool = False
    whole: bool = False
    """Whether only whole numbers count."""

    def distribution(self) -> BaseDistribution:
        """Return what optuna draws from. Raises UserError where it cannot be one."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        try:
            if self.choices:
                return CategoricalDistribution(self.choices)
            if self.whole:
                return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
            return FloatDistribution(self.low, self.high, log=self.log, step=self.step)
        except ValueError as error:
            raise UserError(f"{self.text}: {error}") from error

    def ends(self) -> tuple[str, ...]:
        """Return the values that must all be allowed: each choice, or both ends."""
        return self.choices or (self.written(self.low), self.written(self.high))

    def grid(self) -> tuple[str, ...]:
        """Return every value. Raises UserError where there are endlessly many."""
        if self.choices:
            return self.choices
        if self.step is None:
            raise UserError(f"{self.text} has no end of values: type search=random or search=tpe, or list the values")
        return tuple(self.written(value) for value in _steps(self.low, self.high, self.step))

    def written(self, value: Value) -> str:
        """Return a value as it is typed."""
        if isinstance(value, str):
            return value
        return str(round(value)) if self.whole else repr(float(value))


def dimensions(typed: Iterable[Typed], preset: Mapping[str, str], groups: Groups) -> list[Dimension]:
    """Return what is swept: what was typed with several values, then the preset's keys that were not typed at all.

    Raises ConfigurationError where the preset's text cannot be read.
    """
    typed = list(typed)
    named = {override.key for override in typed}
    texts = [override.canonical for override in typed if override.sweep]
    texts += [f"{key}={text}" for key, text in preset.items() if key not in named]
    return [dimension(text, groups) for text in texts]


def dimension(text: str, groups: Groups) -> Dimension:
    """Read one swept key. Raises ConfigurationError where it cannot be read, or is a single value."""
    from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, RangeSweep

    found = read(text)
    if isinstance(found, Problem):
        raise ConfigurationError([found])
    if not found.sweep:
        raise ConfigurationError(
            [Problem(COMMAND_LINE, text, "is one value, not a space", "such as interval(0.001,0.1) or choice(a,b)")]
        )
    parsed = found.parsed
    value: Any = parsed.value()
    if isinstance(value, ChoiceSweep):
        return Dimension(found.key, text, choices=tuple(parsed.sweep_string_iterator()))
    if isinstance(value, Glob):
        return Dimension(found.key, text, choices=tuple(value.filter(groups.choices(found.key))))
    log = "log" in value.tags
    if isinstance(value, RangeSweep):
        if value.shuffle:
            return Dimension(found.key, text, choices=tuple(parsed.sweep_string_iterator()))
        values = [float(one) for one in value.range()]
        whole = all(isinstance(number, int) for number in (value.start, value.stop, value.step))
        step = None if log and whole else abs(float(value.step))
        return Dimension(found.key, text, (), min(values), max(values), step, log, whole)
    assert isinstance(value, IntervalSweep)
    whole = isinstance(value.start, int)
    assert value.start is not None
    assert value.end is not None
    return Dimension(found.key, text, (), value.start, value.end, None, log, whole)


def _steps(low: float, high: float, step: float) -> list[float]:
    return [low + number * step for number in range(round((high - low) / step) + 1)]
