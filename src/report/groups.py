"""Runs that are equal but for their seed, and what tells the others apart."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from src.report.numbers import MISSING
from src.report.runs import Run

SEED = "seed"


@dataclass(frozen=True)
class Spread:
    """The figures of a group: how many, their mean, and their sample standard deviation, which takes two."""

    n: int
    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """Summarise figures; those that are not finite make the mean what they are. None where there are none."""
        if not values:
            return None
        finite = all(map(math.isfinite, values))
        mean = statistics.fmean(values) if finite else sum(values)
        return cls(len(values), mean, statistics.stdev(values) if finite and len(values) > 1 else None)


@dataclass(frozen=True)
class Group:
    """Runs of the same settings and data, the seed aside."""

    runs: Sequence[Run]

    @cached_property
    def counted(self) -> list[Run]:
        """The runs with figures, one of each seed: a repetition of the same seed is no further sample."""
        with_figures = [run for run in self.runs if run.metrics]
        return list({json.dumps(run.seed, default=str): run for run in reversed(with_figures)}.values())[::-1]

    def spread(self, metric: str) -> Spread | None:
        """Summarise a figure over the seeds."""
        return Spread.of([run.metrics[metric] for run in self.counted if metric in run.metrics])

    def rank(self) -> tuple[bool, float]:
        """Return what to sort by: the best mean of the figure that the weights were chosen by comes first."""
        first = self.runs[0]
        spread = self.spread(first.monitor)
        if spread is None or math.isnan(spread.mean):
            return True, 0.0
        return False, -spread.mean if first.mode == "max" else spread.mean


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Return the groups of runs, the best first; those without figures last, in the order of the runs."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        asked = {key: value for key, value in run.settings.items() if key != SEED}
        found.setdefault(json.dumps([asked, run.digests["data"]], sort_keys=True, default=str), []).append(run)
    return sorted(map(Group, found.values()), key=Group.rank)


def comparable(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs that can be compared with each other, in order of appearance, by what they have in common.

    That is the learning problem, the data set with its classes, and the metric with its direction. The name tells as
    much of it as is needed: `Classifier on shapes`, and `by val/loss` or how many classes where that differs.
    """
    found: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        classes = json.dumps(run.data.get("classes"))
        found.setdefault((f"{run.problem} on {run.data_set}", f"by {run.monitor}", run.mode, classes), []).append(run)
    names = []
    for name, metric, mode, classes in found:
        alike = [other for other in found if other[0] == name]
        words = [name]
        words += [metric] if len({other[1] for other in alike}) > 1 else []
        words += [f"({mode})"] if len({other[1:3] for other in alike if other[1] == metric}) > 1 else []
        words += [f"({_classes(classes)})"] if len({other[3] for other in alike}) > 1 else []
        names.append(" ".join(words))
    numbered = [
        name if names.count(name) == 1 else f"{name}, {names[: index + 1].count(name)}"
        for index, name in enumerate(names)
    ]
    return dict(zip(numbered, found.values(), strict=True))


def _classes(text: str) -> str:
    known = json.loads(text)
    return f"{len(known)} classes" if isinstance(known, list) else "classes not recorded"


def varied_settings(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return the settings that are not the same in all runs: by dotted key, the value in each, `ABSENT` where none."""
    keys = list(dict.fromkeys(key for run in runs for key in run.settings))
    every = {key: [run.settings.get(key, ABSENT) for run in runs] for key in keys}
    return {key: values for key, values in every.items() if any(value != values[0] for value in values[1:])}


class _Absent:
    def __repr__(self) -> str:
        return MISSING


ABSENT = _Absent()
"""Stands for the value of a key that a configuration does not have."""


WHAT = ("network.", "model._target_", "data.source.")
"""Keys of which a run's network and data speak in words."""


def shown_value(value: Any) -> str:
    """Return a value as a configuration spells it."""
    if value is ABSENT:
        return repr(value)
    if isinstance(value, str):
        return value
    return json.dumps(value, default=str, ensure_ascii=False)


def group_names(groups: Sequence[Group], *, whole: bool = False) -> list[str]:
    """Return what tells each group from the others: the settings that are needed for it, or the `whole` of what varies.

    The network is told in words, and then by those of its keys in which groups differ that these words would leave
    alike, such as a plain and a residual one. Where nothing varies a group is called what it is.
    """
    varied = varied_settings([run for group in groups for run in group.runs])
    keys = sorted((key for key in varied if key != SEED), key=_tells_little)
    firsts = [group.runs[0] for group in groups]
    if not keys:
        return [group.runs[0].what if len(group.runs) > 1 else group.runs[0].label for group in groups]
    in_words = any(key.startswith(WHAT) for key in keys)
    names = [(run.network,) if in_words else () for run in firsts]
    for key in keys:
        more = [(*name, *_word(key, run, keys, firsts)) for name, run in zip(names, firsts, strict=True)]
        if whole or len(set(more)) > len(set(names)):
            names = more
    return [" ".join(name) or run.what for name, run in zip(names, firsts, strict=True)]


def _word(key: str, run: Run, keys: Sequence[str], others: Sequence[Run]) -> list[str]:
    """Return a setting of a run in a word; nothing where it has none, or where the network's name says as much."""
    value = run.settings.get(key, ABSENT)
    alike = [other.settings.get(key, ABSENT) for other in others if other.network == run.network]
    if value is ABSENT or (key.startswith(WHAT) and all(other == value for other in alike)):
        return []
    if key.endswith("._target_"):
        return [f"{key.removesuffix('._target_')}={str(value).rpartition('.')[2]}"]
    return [f"{_last(key, keys)}={shown_value(value)}"]


def _tells_little(key: str) -> bool:
    """Tell whether a key of the data's handling, or of the command, says less than what learns and how."""
    return "." not in key or key.startswith("data.")


def _last(key: str, keys: Sequence[str]) -> str:
    """Return the last part of a dotted key where no other has the same."""
    last = key.rpartition(".")[2]
    return last if sum(other.rpartition(".")[2] == last for other in keys) == 1 else key
