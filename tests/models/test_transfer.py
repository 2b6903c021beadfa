"""Transfer: what learns, at which rate, and features computed once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from src.config.command import compose
from src.config.problems import ConfigurationError
from src.errors import UserError
from src.networks.penultimate import Penultimate
from src.runs.session import settle_source
from tests.models.test_classifier import classifier
from tests.networks.building import LIGHT_FAMILIES, build
from tests.training import train

SOURCE = ("trainer.max_epochs=1", "data.source.train=64")


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return train(tmp_path_factory.mktemp("source") / "run", *SOURCE, "augment=none")


def settled(*overrides: str):
    composed = compose("train", [*overrides])
    settle_source(composed)
    return composed.config


def test_the_network_is_the_sources(source):
    config = settled("model=transfer", f"model.source={source}", "data=shapes")
    assert config.network._target_ == "src.networks.lenet.lenet"
    assert config.network.weights == str(source)


def test_other_problems_start_from_a_source_too(source):
    assert settled("model=resnet", f"model.source={source}").network._target_ == "src.networks.lenet.lenet"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["network=vgg19"], r"another network than was typed: it is a lenet, not a vgg\. Leave network away"),
        (["network=lenet", "network.activation=relu"], "it has network.activation=tanh, not relu"),
        (["network=lenet", "network.weights=other.pt"], "both say what to start from"),
    ],
)
def test_another_network_than_the_sources_is_refused(source, overrides, message):
    with pytest.raises(UserError, match=message):
        settled("model=transfer", f"model.source={source}", *overrides)


def test_what_is_no_source_is_a_message(tmp_path):
    with pytest.raises(ConfigurationError, match=r"model.source  is missing: model=transfer starts from what has been"):
        compose("train", ["model=transfer"])
    with pytest.raises(UserError, match=r"is no run directory: there is no config.yaml in it"):
        settled("model=transfer", f"model.source={tmp_path}")
    (tmp_path / "config.yaml").write_text("model: {}\n")
    with pytest.raises(UserError, match=r"no weights.safetensors: the run has not finished"):
        settled("model=transfer", f"model.source={tmp_path}")
    with pytest.raises(UserError, match=r"no such run directory or file; .* holds config.yaml"):
        settled("model=transfer", f"model.source={tmp_path}/nothing")


def test_published_weights_are_a_source():
    config = settled("model=transfer", "network=resnet50", "model.source=IMAGENET1K_V2")
    assert (config.network.depth, config.network.weights) == (50, "IMAGENET1K_V2")


@pytest.mark.parametrize("augment", ["none", "light"])
def test_only_the_head_has_changed(source, tmp_path, augment):
    run = train(tmp_path / "run", "model=transfer", f"model.source={source}", f"augment={augment}", "optimizer.lr=0.1")
    before, after = load_file(source / "weights.safetensors"), load_file(run / "weights.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"classifier.5.weight", "classifier.5.bias"}


def test_kept_features_train_the_same_head(source, tmp_path):
    options = ("model=transfer", f"model.source={source}", "augment=none")
    kept = train(tmp_path / "kept", *options)
    computed = train(tmp_path / "computed", *options, "model.keep_features=false")
    one, other = (load_file(run / "weights.safetensors")["classifier.5.weight"] for run in (kept, computed))
    assert torch.allclose(one, other, atol=1e-5)
    figures = [json.loads((run / "metrics.json").read_text()) for run in (kept, computed)]
    assert figures[0] == pytest.approx(figures[1], abs=1e-4)
    assert "Features computed once" in (kept / "report.html").read_text()
    assert "Features computed once" not in (computed / "report.html").read_text()


def test_a_head_for_the_same_classes_is_kept_and_for_others_new(source, tmp_path):
    fixed = ("model=transfer", f"model.source={source}", "optimizer.lr=0.0", "trainer.max_epochs=1")
    same = train(tmp_path / "same", *fixed)
    head = "classifier.5.weight"
    learned = load_file(source / "weights.safetensors")[head]
    assert torch.equal(load_file(same / "weights.safetensors")[head], learned)
    renamed = json.loads((source / "data.json").read_text())
    renamed["classes"] = [f"{name} of another kind" for name in renamed["classes"]]
    (source / "data.json").write_text(json.dumps(renamed))
    other = train(tmp_path / "other", *fixed)
    assert not torch.equal(load_file(other / "weights.safetensors")[head], learned)


def test_frozen_layers_are_their_own_average_to_the_bit(source, tmp_path):
    average = ("callbacks=[default,ema]", "callbacks.ema.decay=0.9", "model.keep_features=false")
    run = train(tmp_path / "run", "model=transfer", f"model.source={source}", *average)
    before, after = load_file(source / "weights.safetensors"), load_file(run / "weights.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"classifier.5.weight", "classifier.5.bias"}


def test_features_are_computed_in_the_networks_type(source, tmp_path):
    train(tmp_path / "run", "model=transfer", f"model.source={source}", "augment=none", "trainer.precision=bf16-true")


def test_nothing_to_learn_is_a_message(source, tmp_path):
    with pytest.raises(UserError, match=r"model\.trainable=none: nothing learns in epoch 0"):
        train(tmp_path / "run", "model=transfer", f"model.source={source}", "model.trainable=none")


@pytest.mark.parametrize("family", LIGHT_FAMILIES)
def test_features_lead_to_the_networks_outputs(family):
    torch.manual_seed(0)
    network = build(family, num_classes=3, **LIGHT_FAMILIES[family]).eval()
    images = torch.rand(2, 3, 64, 64)
    cut = Penultimate(network)
    with torch.no_grad():
        features = cut.features(images)
        if family.startswith("googlenet"):  # its intermediate classifiers are output layers of their own
            assert features is None
        else:
            assert features is not None
            assert torch.equal(cut.outputs(features), network(images))


def test_learning_rates_fall_with_depth_by_hand():
    model = classifier(build("lenet", image_size=32), layer_lr_decay=0.5, trainable="features.3")
    groups = model.parameter_groups()
    rates = [group.get("lr", 0.1) for group in groups if "weight_decay" not in group]
    assert rates == pytest.approx([0.1, 0.05, 0.025, 0.0125])  # output, F6, C5 and C3; C1 never learns
    assert sum(parameter.numel() for group in groups for parameter in group["params"]) == 61_706 + 300 - 6 * 76
