"""The parts of a sweep's page."""

from __future__ import annotations

import math
import re

from src.config.groups import Groups
from src.report.points import Point, configurations, front
from src.report.sweep import parallel_coordinates, sweep_sections
from src.sweeps.results import importances
from src.sweeps.space import dimension

METRIC = "val/accuracy"


def point(lr: float, network: str, figure: float, state: str = "finished", reason: str = "") -> Point:
    values = {"optimizer.lr": repr(lr), "model": network}
    return Point(f"{lr}-{network}", state, values, {METRIC: figure}, reason, f"python -m src.train optimizer.lr={lr}")


def test_the_best_job_comes_first_with_its_command_and_the_others_say_why_they_ended():
    points = [
        point(0.1, "resnet", 0.7), point(0.01, "resnet", 0.9),
        point(0.2, "vgg19", math.nan, "failed", "ValueError: <x>"),
        point(0.3, "vgg19", 0.95, "pruned", "pruned after epoch 1"),
    ]  # fmt: skip
    best, jobs, by_rate, parameters = sweep_sections(points, [METRIC], ["max"], {"optimizer.lr"}, {"optimizer.lr": 1.0})
    assert "optimizer.lr=0.01" in best.html  # not the pruned one, which was never measured to its end
    assert [best.title, jobs.title, by_rate.title, parameters.title] == ["Best", "Jobs", "By parameter", "Parameters"]
    assert "error (1 - val/accuracy) by optimizer.lr" in by_rate.html  # of the two that were measured to their end
    assert "ValueError: &lt;x&gt;" in jobs.html
    assert "pruned after epoch 1" in jobs.html
    lowest, *_ = sweep_sections(points, [METRIC], ["min"], set(), {})
    assert "optimizer.lr=0.1" in lowest.html


def test_a_logarithmic_axis_has_equal_steps_for_equal_factors():
    points = [point(rate, "resnet", rate) for rate in (0.001, 0.01, 0.1)]
    chart = parallel_coordinates(points, [METRIC], {"optimizer.lr"}, set())
    heights = sorted(float(y) for y in re.findall(r'd="M60(?:\.0)? ([\d.]+)L', chart))
    assert heights == [34.0, 135.0, 236.0]


def test_the_parameter_that_decides_is_the_important_one():
    """The figure is a function of the rate alone; of the other, 0.5 of the share is already too much."""
    dimensions = [dimension("optimizer.lr=interval(0,1)", Groups()), dimension("model=resnet,vgg19", Groups())]
    points = [point(n / 40, ("resnet", "vgg19")[n * 7 % 5 % 2], n / 40) for n in range(1, 40)]
    shares = importances(points, dimensions, METRIC, "max")
    assert set(shares) == {"optimizer.lr", "model"}
    assert shares["optimizer.lr"] > 0.8
    assert importances(points[:9], dimensions, METRIC, "max") == {}


def seeded(lr: float, seed: int, figure: float) -> Point:
    values = {"optimizer.lr": repr(lr), "seed": str(seed)}
    return Point(f"{lr}-{seed}", "finished", values, {METRIC: figure}, "", f"train optimizer.lr={lr} seed={seed}")


def test_the_best_over_seeds_is_the_best_mean_and_not_the_luckiest_run():
    points = [seeded(0.1, 0, 0.9), seeded(0.1, 1, 0.5), seeded(0.2, 0, 0.8), seeded(0.2, 1, 0.76)]
    best, other = configurations(points, METRIC, "max")
    assert (round(best.mean, 9), round(best.deviation, 9)) == (0.78, round(0.04 / 2**0.5, 9))
    assert other.mean == 0.7
    html = sweep_sections(points, [METRIC], ["max"], set(), {})[0].html
    assert "val/accuracy 0.7800 ± 0.0283, the mean over 2 seeds" in html
    assert "optimizer.lr=0.2 seed=0" in html


def test_of_several_objectives_every_job_that_no_other_beats_is_among_the_best():
    reached = {
        "a": (0.9, 0.5),
        "b": (0.8, 0.3),
        "c": (0.8, 0.4),
        "d": (0.2, 0.2),
        "e": (0.1, 0.2),
        "f": (0.95, math.nan),
    }
    points = [
        Point(name, "finished", {"x": name}, {METRIC: gain, "val/loss": loss}, "", f"train x={name}")
        for name, (gain, loss) in reached.items()
    ]
    assert [point.name for point in front(points, [METRIC, "val/loss"], ["max", "min"])] == ["a", "b", "d"]
    best, jobs, parameters = sweep_sections(points, [METRIC, "val/loss"], ["max", "min"], set(), {})
    assert [f"train x={name}" in best.html for name in "abcdef"] == [True, True, False, True, False, False]
    assert "val/loss" in jobs.html
    assert parameters.html.count("t1 best") == 3
