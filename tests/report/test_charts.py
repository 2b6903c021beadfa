import itertools
import math
import re

import pytest

from src.report.charts import MAX_POINTS, Series, line_chart
from tests.report.reading import Page


def lines(chart):
    return [path["d"] for path in Page(chart).all("path") if "line" in path.get("class", "")]


def test_points_lie_where_the_axes_say():
    # The plot spans x 40..352 and y 174..7 (downwards); 0..10 and 0..1 fill it.
    assert lines(line_chart("Loss", [Series("train", [0, 5, 10], [0, 0.5, 1])], "step")) == [
        "M40.0 174.0L196.0 90.5L352.0 7.0"
    ]


def test_axes_carry_round_numbers():
    page = Page(line_chart("Loss", [Series("train", [0, 12], [0.13, 0.87])], "step"))
    assert re.findall(r"[\d.]+", page.text.partition("0.87")[2].partition("step")[0]) == [
        *("0.0", "0.2", "0.4", "0.6", "0.8", "1.0"),
        *("0", "2", "4", "6", "8", "10", "12"),
    ]


def test_a_logarithmic_axis_gives_each_decade_the_same_height():
    chart = line_chart("Loss", [Series("train", [0, 1, 2], [1, 10, 100])], "step", log_y=True)
    assert lines(chart) == ["M40.0 174.0L196.0 90.5L352.0 7.0"]


@pytest.mark.parametrize("missing", [math.nan, math.inf])
def test_a_missing_value_is_a_gap(missing):
    (path,) = lines(line_chart("Loss", [Series("train", [0, 1, 2, 3, 4], [0, 1, missing, 1, 0])], "step"))
    assert path.count("M") == 2
    assert path.count("L") == 2


def test_a_value_that_has_no_logarithm_is_a_gap():
    (path,) = lines(line_chart("Loss", [Series("train", [0, 1, 2], [1, 0, 10])], "step", log_y=True))
    assert path.count("M") == 2


def test_nothing_finite_draws_nothing():
    assert line_chart("Loss", [Series("train", [0, 1], [math.nan, math.inf])], "step") == ""
    assert line_chart("Loss", [], "step") == ""


def test_one_point_and_a_constant_are_drawn_in_the_middle():
    assert lines(line_chart("Loss", [Series("train", [3], [2.0])], "step")) == ["M196.0 90.5L196.0 90.5"]
    assert lines(line_chart("Loss", [Series("train", [0, 1], [2.0, 2.0])], "step")) == ["M40.0 90.5L352.0 90.5"]


def test_a_long_line_is_thinned_and_keeps_its_spike():
    values = [0.0] * 50_000
    values[31_234] = 1.0
    (path,) = lines(line_chart("Loss", [Series("train", range(50_000), values)], "step"))
    assert path.count("L") < MAX_POINTS
    assert " 7.0L" in path


def test_pointing_at_an_x_says_all_values_there():
    series = [Series("train", [0, 1], [0.5, 0.25]), Series("val", [1], [0.75]), Series("raw", [1], [9], faint=True)]
    chart = line_chart("Loss", series, "epoch", x_text=lambda x: f"epoch {x}")
    assert re.findall(r"<title>(.*?)</title>", chart, re.DOTALL) == [
        "epoch 0\ntrain 0.5",
        "epoch 1\ntrain 0.25\nval 0.75",
    ]


def test_who_does_not_see_the_chart_is_told_its_last_values():
    (svg,) = Page(line_chart("Loss", [Series("train", [0, 1], [0.5, 0.25])], "epoch")).all("svg")
    assert svg["role"] == "img"
    assert svg["aria-label"] == "Loss by epoch, last values: train 0.25"


def test_a_label_cannot_break_the_picture():
    page = Page(line_chart("<b>", [Series('"><script>', [0, 1], [0, 1])], "</svg>"))
    assert not page.all("script")
    assert page.unclosed == []


def labels(chart):
    return re.findall(r'<text (?:class="y" )?x="([\d.]+)" y="[\d.]+">([^<]+)</text>', str(chart))


@pytest.mark.parametrize("rate", [1e-3, 0.00123, 1e-5, 12345.0, 1e8])
def test_labels_of_the_y_axis_are_not_cut(rate):
    chart = line_chart("Learning rate", [Series("lr", [0, 10], [rate, rate])], "epoch")
    written = [(float(x), label) for x, label in re.findall(r'class="y" x="([\d.]+)" y="[\d.]+">([^<]+)<', str(chart))]
    assert len(written) >= 3
    for x, label in written:  # right-aligned at x: a digit is at most 7 units wide, a point or thin space half of it
        assert x >= sum(3.5 if letter in ".\N{NARROW NO-BREAK SPACE}" else 7 for letter in label)


def test_labels_of_the_x_axis_are_not_cut_and_do_not_run_into_each_other():
    ticks = [(float(power), f"{10**power:,}") for power in range(2, 10)]
    chart = line_chart("Accuracy", [Series("a", [2, 9], [0, 1])], "parameters", x_ticks=ticks)
    written = [(float(x), label) for x, label in labels(chart) if "," in label or label == "100"]
    assert written[-1][1] == "1,000,000,000"
    spans = [(x - 3.1 * len(label), x + 3.1 * len(label)) for x, label in written]
    assert spans[-1][1] <= 360
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def test_a_point_alone_is_a_dot():
    one = line_chart("Accuracy", [Series("val", [3], [0.9])], "step")
    assert [(dot["cx"], dot["cy"]) for dot in Page(one).all("circle") if "dot" in dot["class"]] == [("196.0", "34.8")]
    gap = line_chart("Loss", [Series("val", [0, 1, 2, 3], [1, 0, math.nan, 1])], "step")
    assert [dot["cx"] for dot in Page(gap).all("circle") if "dot" in dot["class"]] == ["352.0"]


def test_a_share_alone_is_not_drawn_beyond_one():
    chart = line_chart("Accuracy", [Series("val", [3], [0.9])], "step")
    heights = [float(label) for _, label in re.findall(r'class="y" x="([\d.]+)" y="[\d.]+">([^<]+)<', str(chart))]
    assert max(heights) == 1.0
