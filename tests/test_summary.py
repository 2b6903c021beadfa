"""`python -m src.summary`, as a person types it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from src.config.command import compose
from src.errors import UserError
from src.runs.summary import summarize
from tests.training import TINY, train


def test_json_has_the_counts_of_equation_6_22() -> None:
    found = json.loads(summarize(compose("summary", ["model=vgg19", "format=json"])))
    assert (found["L"], found["L_conv"], found["L_dense"], found["L_pool"], found["L_train"]) == (24, 16, 3, 5, 19)
    assert (found["parameters"], found["neurons"]) == (143_667_240, 16_391_656)
    assert [row["layer"] for row in found["layers"]] == list(range(1, 25))


def test_forms_agree() -> None:
    options = ["model=lenet", "image_size=32", "in_channels=1", "num_classes=10"]
    rows = list(csv.DictReader(io.StringIO(summarize(compose("summary", [*options, "format=csv"])))))
    assert sum(int(row["parameters"]) for row in rows) == 61_706  # LeNet-5 with full connections
    assert [row["output"] for row in rows] == ["6x28x28", "6x14x14", "16x10x10", "16x5x5", "120", "84", "10"]
    for form in ("table", "markdown"):
        text = summarize(compose("summary", [*options, f"format={form}"]))
        assert "61,706" in text
        assert "L = 7 layers" in text


def test_of_a_run_the_sizes_are_those_of_its_data(tmp_path: Path) -> None:
    train(tmp_path / "run", "trainer.max_epochs=1", *TINY)
    found = json.loads(summarize(compose("summary", [f"run={tmp_path / 'run'}", "format=json"])))
    spec = json.loads((tmp_path / "run" / "data.json").read_text())
    assert found["network"] == "LeNet5"
    assert found["input"] == [3, spec["image_size"], spec["image_size"]]
    assert found["layers"][-1]["output"] == [len(spec["classes"])]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["data=imagenette"], "other overrides apply to a saved run"),
        (["model=alexnet", "image_size=32"], r"found image_size=32; type image_size=63$"),
        (["network.depht=18"], "did you mean depth"),
        (["format=xml"], "format"),
        (["run=somewhere", "model=vgg19"], "has its own network"),
    ],
)
def test_mistakes_are_told(typed: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        summarize(compose("summary", typed))
