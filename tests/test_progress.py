"""Whatever takes long shows where it stands: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import re
import sys
import time

import pytest

from src import progress as module
from src.progress import Advance, clock, progress


class Lines(logging.Handler):
    """What was logged, as text."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, logger="src.progress")
    handler = Lines()
    module.log.addHandler(handler)
    yield handler.texts
    module.log.removeHandler(handler)


class Terminal:
    """Standard error as a person sees it."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


def test_short_work_is_not_talked_about(lines):
    assert list(progress(range(5), "Testing")) == [0, 1, 2, 3, 4]
    assert lines == []


def test_the_first_line_comes_though_the_first_step_has_not_ended(lines):
    for _ in progress([1], "Testing", unit="batches", first=0.02):
        time.sleep(0.2)
        assert lines == ["Testing: 0 of 1 batches"]
    assert lines[1:] == ["Testing: 1 of 1 batches in 0:00"]


def test_lines_follow_at_intervals_with_the_time_left(lines, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with Advance("Reading", 2000, unit="images") as advance:
        for _ in range(100):  # a second for each ten, so that 35 s are over after 350, 65 s after 650
            now += 1
            advance.update(10, figures="loss 0.5")
        now += 100
    assert lines == [
        "Reading: 350 of 2,000 images, 2:45 left, loss 0.5",
        "Reading: 650 of 2,000 images, 2:15 left, loss 0.5",
        "Reading: 950 of 2,000 images, 1:45 left, loss 0.5",
        "Reading: 1,000 of 2,000 images in 3:20",
    ]


def test_what_was_done_earlier_does_not_count_as_speed(lines, monkeypatch):
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with Advance("Packing", 110, done=100) as advance:
        now = 40.0
        advance.update()
    assert lines[0] == "Packing: 101 of 110, 6:00 left"


def test_what_ended_in_an_error_is_not_told_as_done(lines, monkeypatch):
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)

    def broken():
        nonlocal now
        yield 1
        now = 40.0
        yield 2
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        list(progress(broken(), "Reading", 3))
    assert lines == ["Reading: 2 of 3, 0:20 left"]


def test_a_terminal_has_a_bar_and_no_lines(lines, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Advance("Testing", 4, unit="batches") as advance:
        for _ in range(4):
            time.sleep(0.25)
            advance.update(figures="loss 0.500")
    assert re.search(r"Testing: .*3/4 .* batches.*loss 0\.500", terminal.text)
    assert lines == []


def test_a_further_process_says_nothing(caplog, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    logging.getLogger("src.progress").setLevel(logging.WARNING)
    try:
        assert list(progress(range(3), "Testing", first=0)) == [0, 1, 2]
    finally:
        logging.getLogger("src.progress").setLevel(logging.NOTSET)
    assert terminal.text == ""
    assert caplog.messages == []


def test_an_iterable_without_length_is_counted_alone(lines, monkeypatch):
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    for _ in progress((n for n in range(2)), "Reading", unit="rows"):
        now += 40.0
    assert lines == ["Reading: 1 rows", "Reading: 2 rows", "Reading: 2 rows in 1:20"]


def test_times_are_written_as_people_write_them():
    assert [clock(seconds) for seconds in (0, 7.4, 59.6, 750, 3723)] == ["0:00", "0:07", "1:00", "12:30", "1:02:03"]
