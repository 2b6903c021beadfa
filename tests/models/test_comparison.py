"""The comparison network: its loss by hand, what stays as it is, and which sources it takes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from src.errors import UserError
from src.losses.pairs import pair_loss
from src.networks.comparison import ComparisonNetwork
from src.runs.source import require_strangers
from tests.models.test_siamese import SIAMESE, answers, metrics
from tests.training import on_top, train

COMPARISON = tuple(on_top(SIAMESE, ("model=comparison",)))
SIAMESE_KEYS = ("network=", "model.embedding_dim=")


def compared(run_dir: Path, source: Path, *overrides: str) -> Path:
    own = [override for override in COMPARISON if not override.startswith(SIAMESE_KEYS)]
    return train(run_dir, *own, f"model.source={source}", *overrides)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return train(tmp_path_factory.mktemp("source") / "run", *SIAMESE)


@pytest.fixture(scope="module")
def finished(source, tmp_path_factory) -> Path:
    return compared(tmp_path_factory.mktemp("comparison") / "run", source, "trainer.max_epochs=8", "optimizer=adam")


def test_same_and_different_weigh_equally_by_hand():
    """One same pair with the logit log 3 (probability 3/4), three different ones with 0, 0 and log 3."""
    logits = torch.tensor([[math.log(3), 0.0, 0.0, math.log(3)]])
    same = torch.tensor([[True, False, False, False]])
    expected = (math.log(4 / 3) + (2 * math.log(2) + math.log(4)) / 3) / 2
    assert float(pair_loss(logits, same, ~same)) == pytest.approx(expected)


def test_whichever_comes_first_the_answer_is_the_same():
    torch.manual_seed(0)
    network = ComparisonNetwork(5, 7, scale=2.0)
    left, right = torch.randn(4, 5), torch.randn(3, 5)
    assert network(left, right).shape == (4, 3)
    torch.testing.assert_close(network(left, right), network(right, left).T)


def test_theta_stays_bit_for_bit_and_the_comparison_learns(source, finished):
    before, after = load_file(source / "weights.safetensors"), load_file(finished / "weights.safetensors")
    theta = [name for name in before if name not in ("threshold", "slope")]
    assert all(torch.equal(before[name], after[name]) for name in theta)
    rows = (finished / "metrics.csv").read_text().splitlines()
    assert len(rows) > 8
    found = metrics(finished)
    assert found["train/loss"] < math.log(2)  # what knowing nothing costs
    assert found["test/recall_at_1"] >= 0


def test_a_run_does_not_need_its_source_any_more(source, finished):
    config = (finished / "config.yaml").read_text()
    assert "embedding_dim: 8" in config
    assert "normalize: true" in config
    assert "auto" not in [line.split(": ")[-1] for line in config.splitlines() if "embedding" in line]


def test_predict_gives_the_learned_probability(finished, tmp_path):
    import cv2

    from src.data.sources.shapes import Shapes

    shapes = Shapes(size=32, train=6, val=1, test=1, identities=7, max_objects=1, nothing=0.0, seed=0)
    (tmp_path / "in").mkdir()
    for index in range(6):
        cv2.imwrite(str(tmp_path / "in" / f"{index}.png"), shapes.read(index)["image"][..., ::-1])
    rows = answers(finished, tmp_path / "in", tmp_path / "out.csv", anchor=str(tmp_path / "in" / "0.png"))
    assert all(0 < row["probability"] < 1 for row in rows)
    assert all((row["answer"] == "same") == (row["probability"] >= row["threshold"]) for row in rows)
    assert "distance" not in rows[0]


def test_another_kind_of_source_is_refused_before_data_are_read(tmp_path):
    classifier = train(tmp_path / "classifier", "trainer.max_epochs=1", "data.source.train=32")
    with pytest.raises(UserError, match=r"model=comparison starts from a Siamese; .* is a Classifier"):
        compared(tmp_path / "run", classifier)
    assert not (tmp_path / "run").exists()


def test_what_contradicts_the_source_is_refused(source, tmp_path):
    with pytest.raises(UserError, match=r"model\.embedding_dim=4: the run .* has 8; leave it out"):
        compared(tmp_path / "run", source, "model.embedding_dim=4")
    with pytest.raises(UserError, match=r"another division of these data.*type data\.fold=null"):
        compared(tmp_path / "run", source, "data.fold=1")
    assert json.loads((source / "record.json").read_text())["status"] == "finished"


def test_the_same_data_elsewhere_in_another_division_are_refused(source):
    config = yaml.safe_load((source / "config.yaml").read_text())
    config["model"] = {"_target_": "src.models.comparison.Comparison", "source": str(source)}
    contents = json.loads((source / "data.json").read_text())["contents"]
    require_strangers(config, contents)
    require_strangers(config | {"data": config["data"] | {"fold": 1}}, "of other data")
    with pytest.raises(UserError, match=r"identities which it knows would be tested here; type data\.fold=null"):
        require_strangers(config | {"data": config["data"] | {"fold": 1}}, contents)
