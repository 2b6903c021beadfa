import math

import pytest

from src.report.numbers import MISSING, duration, number, percent, share, tick

THIN = "\u202f"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.91234, "0.9123"),
        (0.05, "0.05"),
        (3, "3"),
        (3.0, "3"),
        (1234567, f"1{THIN}234{THIN}567"),
        (12345.6, f"12{THIN}346"),
        (0.000012, "1.2e-5"),
        (-0.5, "-0.5"),
        (None, MISSING),
        (math.nan, MISSING),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
    ],
)
def test_numbers_have_four_digits_and_no_machine_look(value, text):
    assert number(value) == text


def test_a_percentage_is_never_rounded_to_all_or_nothing():
    assert [percent(value) for value in (1.0, 0.99999, 0.934, 0.0001, 0.0)] == [
        f"{text}{THIN}%" for text in ("100", "99.9", "93.4", "0.1", "0")
    ]
    assert percent(math.nan) == MISSING


def test_shares_line_up():
    assert [share(1.0), share(0.5), share(math.nan)] == ["1.000", "0.500", MISSING]


def test_durations_are_said_as_people_say_them():
    said = [duration(seconds) for seconds in (0.4123, 59.94, 250, 7500)]
    assert said == ["0.412 s", "59.9 s", "4 min 10 s", "2 h 5 min"]


def test_axis_labels_of_one_axis_have_equally_many_decimals():
    assert [tick(value, 0.25) for value in (0, 0.25, 0.5)] == ["0.00", "0.25", "0.50"]
    assert [tick(value, 5) for value in (0, 10)] == ["0", "10"]
    assert tick(3 * 0.1, 0.1) == "0.3"
    assert tick(2e-5, 1e-5) == "2e-5"
    assert tick(20000, 5000) == f"20{THIN}000"


def test_a_number_beyond_whole_precision_keeps_its_exponent():
    assert number(1e30) == "1e30"
