"""A sweep's figure against a swept number."""

from __future__ import annotations

import math
import re

from src.report.by_parameter import charts_by_parameter

DEPTHS = [
    ({"network.shortcuts": shortcuts, "network.depth": depth, "seed": seed}, figure)
    for shortcuts, depth, seed, figure in [
        ("false", "10", "0", 0.9), ("false", "34", "0", 0.5), ("false", "34", "1", 0.3),
        ("true", "10", "0", 0.9), ("true", "34", "0", 0.95), ("true", "34", "1", math.nan),
    ]
]  # fmt: skip


def test_a_grid_has_a_line_for_each_value_of_the_other_keys_over_seeds() -> None:
    (chart,) = charts_by_parameter(DEPTHS, "train/accuracy", set())
    assert "error (1 - train/accuracy) by network.depth" in chart
    hovers = " ".join(re.findall(r"<title>(.*?)</title>", str(chart), re.DOTALL))
    assert re.search(r"network\.depth=34\s+shortcuts=false 0\.6\b", hovers)  # the mean of 0.5 and 0.7
    assert re.search(r"shortcuts=true 0\.05\b", hovers)


def test_other_figures_are_drawn_as_they_are() -> None:
    (chart,) = charts_by_parameter([({"lr": "0.1"}, 2.0), ({"lr": "0.01"}, 1.0)], "val/loss", {"lr"})
    assert "val/loss by lr" in chart
    assert "logarithmic" in chart


def test_a_search_has_no_lines_and_words_are_no_axis() -> None:
    search = [({"lr": str(n / 7), "decay": str(n / 9)}, 0.5) for n in range(1, 7)]
    assert charts_by_parameter(search, "val/accuracy", set()) == []
    assert charts_by_parameter([({"model": "resnet"}, 0.5), ({"model": "vgg19"}, 0.6)], "val/accuracy", set()) == []
