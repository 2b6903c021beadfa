"""The jobs of a sweep as points: what each is made of and has reached, and which are best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

SEED = "seed"
"""The key whose values are not chosen among, but averaged over."""


@dataclass(frozen=True)
class Point:
    """A job: its swept values as typed, what it reached, and how it is trained again."""

    name: str
    state: str
    values: Mapping[str, str]
    figures: Mapping[str, float]
    reason: str
    command: str

    def figure(self, metric: str) -> float:
        """Return what it reached, NaN where it did not get so far."""
        return self.figures.get(metric, math.nan)


@dataclass(frozen=True)
class Configuration:
    """Jobs that differ by the seed alone."""

    points: Sequence[Point]
    mean: float
    deviation: float
    """The sample standard deviation; NaN of a single job."""


def finished(points: Sequence[Point], metrics: Sequence[str]) -> list[Point]:
    """Return the jobs that ended with all figures; one that was stopped early never was measured to its end."""
    return [
        point
        for point in points
        if point.state == "finished" and all(math.isfinite(point.figure(metric)) for metric in metrics)
    ]


def by_configuration(points: Iterable[Point]) -> list[list[Point]]:
    """Return jobs that differ by the seed alone together, in order of appearance."""
    groups: dict[tuple[tuple[str, str], ...], list[Point]] = {}
    for point in points:
        key = tuple((name, value) for name, value in point.values.items() if name != SEED)
        groups.setdefault(key, []).append(point)
    return list(groups.values())


def configurations(points: Sequence[Point], metric: str, direction: str) -> list[Configuration]:
    """Return the finished jobs by what they have in common besides the seed, the best mean first."""
    found = []
    for group in by_configuration(finished(points, [metric])):
        figures = [point.figure(metric) for point in group]
        found.append(Configuration(group, mean(figures), stdev(figures) if len(figures) > 1 else math.nan))
    return sorted(found, key=lambda one: -one.mean if direction == "max" else one.mean)


def front(points: Sequence[Point], metrics: Sequence[str], directions: Sequence[str]) -> list[Point]:
    """Return the finished jobs that no other beats in one objective without losing in another (Pareto)."""
    signs = [1 if direction == "max" else -1 for direction in directions]
    found = finished(points, metrics)
    reached = [[sign * point.figure(metric) for sign, metric in zip(signs, metrics, strict=True)] for point in found]

    def beaten(mine: Sequence[float]) -> bool:
        return any(
            other != mine and all(their >= own for their, own in zip(other, mine, strict=True)) for other in reached
        )

    kept = [point for point, mine in zip(found, reached, strict=True) if not beaten(mine)]
    return sorted(kept, key=lambda point: -signs[0] * point.figure(metrics[0]))
