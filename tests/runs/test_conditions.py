"""What two runs were made under, told apart from what is in their directories."""

from __future__ import annotations

import json

import pytest

from src.runs.conditions import differing_conditions
from src.runs.directory import RunDirectory
from src.runs.replay import told
from src.runs.source import weights_digest

RECORD = {
    "versions": {"torch": "2.5"},
    "code": {"commit": "a", "dirty": False},
    "data_digest": "d",
    "continued": [],
    "started_from": "w",
}


@pytest.fixture
def runs(tmp_path):
    """Two runs of the same record."""
    found = RunDirectory(tmp_path / "then"), RunDirectory(tmp_path / "now")
    for run in found:
        run.path.mkdir()
        run.config.write_text("seed: 0\n")
        run.data.write_text('{"digest": "d"}')
        run.record.write_text(json.dumps(RECORD))
        (run.path / "code.json").write_text('{"digest": "c", "files": {"src/a.py": "1"}}')
    return found


def test_nothing_differs_between_the_same(runs):
    assert differing_conditions(*runs) == {}


def test_that_a_run_was_continued_and_started_from_other_weights_is_said(runs):
    runs[0].record.write_text(json.dumps(RECORD | {"continued": ["2026-01-01"], "started_from": "v"}))
    assert differing_conditions(*runs) == {"started from": {"weights": ["v", "w"]}, "continued": {"times": [1, 0]}}


def test_an_output_of_the_pipeline_has_no_record(runs):
    """It has a digest of its data, and of its code by module, which is nothing to compare files with."""
    runs[0].record.unlink()
    (runs[0].path / "code.json").rename(runs[0].path / "modules.json")
    assert differing_conditions(*runs) == {
        "code": {"not recorded file by file": True, "not recorded": True},
        "versions": {"not recorded": True},
    }


def test_without_a_known_reason_there_is_no_verdict():
    parts = {"weights": {"identical": True}, "metrics.json": {"different": {}}, "metrics.csv": {"parting": None}}
    (*_, last) = told({"identical": False, "differs": {}, **parts}, "runs/a")
    assert last.startswith("nothing that is recorded differs")


def test_weights_are_named_by_their_content(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"one")
    first = weights_digest({"network": {"weights": str(tmp_path)}})
    assert weights_digest({"network": {"weights": str(tmp_path / "weights.safetensors")}}) == first
    (tmp_path / "weights.safetensors").write_bytes(b"two")
    assert weights_digest({"network": {"weights": str(tmp_path)}}) != first
    assert weights_digest({"network": {"weights": "IMAGENET1K_V1"}}) is None
    assert weights_digest({"network": {}}) is None
