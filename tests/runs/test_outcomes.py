"""Comparing what two runs left: every tensor, figure and row."""

from __future__ import annotations

import json
import math

import pytest
import safetensors.torch
import torch

from src.runs.directory import RunDirectory
from src.runs.outcomes import compare_figures, compare_history, compare_weights

WEIGHTS = {"a": torch.tensor([1.0, math.nan]), "b": torch.zeros(2, 3), "empty": torch.zeros(0)}


@pytest.fixture
def runs(tmp_path):
    """Two equal runs."""
    for name in ("then", "now"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, WEIGHTS)
        (tmp_path / name / "metrics.json").write_text('{"val/loss": NaN, "val/accuracy": 0.5}')
        (tmp_path / name / "metrics.csv").write_text("step,epoch,loss\n1,0,2.5\n2,0,1.5\n")
    return RunDirectory(tmp_path / "then"), RunDirectory(tmp_path / "now")


def write(run, weights):
    safetensors.torch.save_file(weights, run / "weights.safetensors")


def test_equal_runs_are_identical_also_where_something_is_not_a_number(runs):
    assert compare_weights(*runs)["identical"]
    assert compare_figures(*runs)["identical"]
    assert compare_history(*runs)["identical"]


def test_the_smallest_difference_of_a_weight_is_found(runs):
    write(runs[1].path, WEIGHTS | {"b": torch.tensor([[0.0, 0, 0], [0, 0, 2e-45]])})
    found = compare_weights(*runs)
    assert not found["identical"]
    assert found["different"] == ["b"]
    assert found["largest_difference"] == pytest.approx(1.4e-45)  # the smallest single float


def test_minus_zero_is_another_bit(runs):
    write(runs[1].path, WEIGHTS | {"b": -torch.zeros(2, 3)})
    assert compare_weights(*runs)["different"] == ["b"]


def test_tensors_of_other_types_shapes_and_names_are_told_apart(runs):
    write(runs[1].path, {"a": WEIGHTS["a"].double(), "b": torch.zeros(3, 2), "new": torch.zeros(1)})
    found = compare_weights(*runs)
    assert (found["different"], found["removed"], found["added"]) == (["a", "b"], ["empty"], ["new"])


def test_figures_that_differ_are_given_with_both_values(runs):
    runs[1].metrics.write_text(json.dumps({"val/accuracy": 0.25, "test/accuracy": 1.0}))
    different = compare_figures(*runs)["different"]
    assert different["val/accuracy"] == [0.5, 0.25]
    assert different["test/accuracy"] == [None, 1.0]
    assert set(different) == {"val/accuracy", "test/accuracy", "val/loss"}


def test_the_row_from_which_on_histories_part_is_named(runs):
    path = runs[1].path / "metrics.csv"
    path.write_text("step,epoch,loss\n1,0,2.5\n2,0,1.25\n")
    assert compare_history(*runs)["parting"] == {"row": 2, "columns": ["loss"]}
    path.write_text("step,epoch,loss\n1,0,2.5\n2,0,1.5\n3,0,1.0\n")
    assert compare_history(*runs) == {"identical": False, "rows": [2, 3], "parting": {"row": 3, "columns": []}}
