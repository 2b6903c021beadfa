"""How measurements become tables, and tables get into the README."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as bench
from benchmarks.measure import ROOT, Quartiles, paired, ratios


def test_candidates_take_turns_and_the_first_round_only_warms_up():
    order = []
    candidates = {name: lambda name=name: float(order.append(name) or len(order)) for name in "ab"}
    found = paired(candidates, 2)
    assert "".join(order) == "ab" + "ba" + "ab"
    assert found == {"a": [4.0, 5.0], "b": [3.0, 6.0]}


def test_ratios_are_taken_round_by_round():
    found = {"ours": [2.0, 30.0, 4.0], "theirs": [1.0, 10.0, 4.0]}
    assert ratios(found, "ours", "theirs") == Quartiles(2.0, 1.5, 2.5)


@pytest.mark.parametrize("name", bench.sections())
def test_every_section_has_a_main(name):
    assert callable(importlib.import_module(f"benchmarks.{name}").main)


def test_tables_stand_between_the_comments_of_the_readme():
    readme = f"# x\n{bench.BEGIN}\nold\n{bench.END}\nrest\n"
    expected = f"# x\n{bench.BEGIN}\n2026\n\n### Step\n| 1 |\n{bench.END}\nrest\n"
    assert bench.with_tables(readme, "2026\n\n## Step\n| 1 |\n") == expected
    with pytest.raises(ValueError, match="lacks the comments"):
        bench.with_tables("# x", "tables")
    assert bench.with_tables((ROOT / "README.md").read_text(), "new\n")


def test_a_section_that_cannot_be_measured_says_why(monkeypatch):
    failed = SimpleNamespace(returncode=1, stdout="", stderr="Traceback ...\nRuntimeError: no DATA_ROOT\n")
    monkeypatch.setattr(bench.subprocess, "run", lambda *_, **__: failed)
    assert bench.measured("loader") == "## loader\n\nNot measured: RuntimeError: no DATA_ROOT"


def test_added_milliseconds_are_those_beyond_the_bare_loop():
    step = importlib.import_module("benchmarks.step")
    found = {"a bare loop": [1.0, 2.0, 3.0], "ours": [1.5, 3.0, 3.75]}
    assert step.added(found, "ours").median == 0.75
