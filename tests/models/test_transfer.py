"""Transfer: what learns, at which rate, and features computed once."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pytorch_lightning import Callback
from safetensors.torch import load_file

from src.config.command import compose
from src.config.problems import ConfigurationError
from src.errors import UserError
from src.networks.penultimate import Penultimate
from src.report.transfer import kept_section
from src.runs import session, training
from src.runs.session import settle_source
from tests.models.test_classifier import classifier
from tests.networks.building import LIGHT_FAMILIES, build
from tests.processes import together
from tests.training import TINY, killed, on_top, resume, train

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
        (["network=vgg19"], r"another network than was typed: it is a lenet, not a vgg\. Leave out network="),
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


class Batches(Callback):
    """What the batches of the epochs hold; those of Lightning's trial validation do not count."""

    def __init__(self) -> None:
        self.train: list[set[str]] = []
        self.val: list[set[str]] = []
        self.images_through_the_network = 0

    def on_train_start(self, trainer, pl_module):
        first = next(module for module in pl_module.network.modules() if isinstance(module, torch.nn.Conv2d))
        first.register_forward_hook(self._seen)

    def _seen(self, module, inputs, outputs):
        self.images_through_the_network += len(inputs[0])

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.train.append(set(batch))

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        if not trainer.sanity_checking:
            self.val.append(set(batch))

    def on_train_end(self, trainer, pl_module):
        self.images_while_training = self.images_through_the_network


def watched(monkeypatch, run_dir: Path, *overrides: str) -> Batches:
    """Train, and return what was seen of the epochs' batches."""
    original, batches = training.build_callbacks, Batches()
    with monkeypatch.context() as patch:
        patch.setattr(training, "build_callbacks", lambda config: [*original(config), batches])
        train(run_dir, *overrides)
    assert batches.train
    assert batches.val
    return batches


FEATURES = {"features", "label", "index", "epoch", "number"}


@pytest.mark.parametrize("store", ["files", "packed", "device"])
def test_no_batch_of_an_epoch_holds_an_image_where_features_are_kept(store, source, tmp_path, monkeypatch):
    options = ("model=transfer", f"model.source={source}", "augment=none", f"data.store={store}")
    options += (f"data.cache_dir={tmp_path}/cache",)
    kept = watched(monkeypatch, tmp_path / "kept", *options)
    assert all(keys == FEATURES for keys in kept.train + kept.val)
    assert kept.images_while_training == 0
    computed = watched(monkeypatch, tmp_path / "computed", *options, "model.keep_features=false")
    assert all(keys & {"image", "parts"} for keys in computed.train + computed.val)
    assert computed.images_while_training == 2 * (160 + 48)
    one, other = (load_file(tmp_path / name / "weights.safetensors") for name in ("kept", "computed"))
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)
    figures = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("kept", "computed")]
    assert figures[0] == pytest.approx(figures[1], abs=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        ("scheduler=constant",),
        ("scheduler=cosine",),
        ("trainer.accumulate_grad_batches=3",),
    ],
    ids=lambda options: options[0],
)
def test_features_are_kept_whatever_the_schedule_and_the_steps(options, source, tmp_path, monkeypatch):
    batches = Batches()
    original = training.build_callbacks
    monkeypatch.setattr(training, "build_callbacks", lambda config: [*original(config), batches])
    train(tmp_path / "run", "model=transfer", f"model.source={source}", "augment=none", *options)
    assert batches.train
    assert all(keys == FEATURES for keys in batches.train + batches.val)
    assert batches.images_while_training == 0


def test_a_resumed_run_keeps_the_features_of_the_same_network(source, tmp_path, monkeypatch):
    options = ("model=transfer", f"model.source={source}", "augment=none", "trainer.max_epochs=3")
    whole = train(tmp_path / "whole", *options)
    killed(monkeypatch, tmp_path / "killed", 15, *options)
    batches, original = Batches(), training.build_callbacks
    monkeypatch.setattr(training, "build_callbacks", lambda config: [*original(config), batches])
    resume(tmp_path / "killed")
    assert batches.train
    assert all(keys == FEATURES for keys in batches.train + batches.val)
    one, other = (load_file(run / "weights.safetensors") for run in (whole, tmp_path / "killed"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_features_of_images_with_several_labels_are_kept(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    lines = ["path,labels"]
    for i in range(60):
        cv2.imwrite(str(tmp_path / f"{i}.png"), random.integers(0, 255, (32, 32, 3), dtype=np.uint8))
        lines.append(f"{i}.png,{['red|round', 'round', 'red'][i % 3]}")
    (tmp_path / "data.csv").write_text("\n".join(lines) + "\n")
    table = {"data": "csv", "data.root": tmp_path, "data.source.file": "data.csv", "data.source.image_column": "path"}
    table |= {"data.source.label_column": "labels", "data.source.label_separator": "'|'", "data.image_size": 32}
    sizes = [f"data.source.{name}" for name in ("size", "train", "val", "test")]
    options = dict(text.split("=", 1) for text in TINY) | table | {"augment": "none"}
    options = {key: value for key, value in options.items() if key not in sizes}
    started(tmp_path / "source", options)
    batches, original = Batches(), training.build_callbacks
    monkeypatch.setattr(training, "build_callbacks", lambda config: [*original(config), batches])
    started(tmp_path / "kept", options | {"model": "transfer", "model.source": tmp_path / "source"})
    assert all(keys == FEATURES for keys in batches.train + batches.val)
    assert batches.images_while_training == 0


def started(run_dir: Path, options: dict[str, object]) -> None:
    session.start(compose("train", [*(f"{key}={value}" for key, value in options.items()), f"run_dir={run_dir}"]))


def test_two_processes_keep_features_and_learn_what_one_does(source, tmp_path):
    options = [*TINY, "optimizer.lr=0.002", "trainer.max_epochs=1", "allowed_packages=[tests]"]
    options = on_top(options, ["model=transfer", f"model.source={source}", "augment=none"])
    options += ["+callbacks.watch._target_=tests.models.no_images.NoImages"]
    heads = []
    for count in (1, 2):
        run = tmp_path / str(count)
        assert together(count, run, on_top(options, [f"data.batch_size={16 // count}"])) == [0] * count
        assert "features of 208 images kept" in (run / "log.txt").read_text()
        heads.append(load_file(run / "weights.safetensors")["classifier.5.weight"])
    assert torch.allclose(*heads, atol=1e-5)


def test_features_that_are_not_read_once_are_not_computed(source, tmp_path, monkeypatch):
    options = ("model=transfer", f"model.source={source}", "augment=none", "trainer.limit_train_batches=3")
    batches = watched(monkeypatch, tmp_path / "run", *options)
    assert all("image" in keys for keys in batches.train)
    assert "has seen all images once" in (tmp_path / "run" / "log.txt").read_text()


def test_the_report_says_what_was_measured_of_kept_features():
    assert str(kept_section(208, 8.0, [0.4, 2.0, 0.2]).html) == (
        "<p>What the head is given was computed once for the 208 images of train and val: measured, that took 8 s. An "
        "epoch over it then took 0.4 s, the median of 3, 0.05 of the time of computing it.</p>"
    )


def test_only_runs_with_kept_features_report_them(source, tmp_path):
    options = ("model=transfer", f"model.source={source}", "augment=none", "trainer.max_epochs=1")
    kept = train(tmp_path / "kept", *options)
    computed = train(tmp_path / "computed", *options, "model.keep_features=false")
    page = (kept / "report.html").read_text()
    assert "computed once for the 208 images of train and val" in page
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
