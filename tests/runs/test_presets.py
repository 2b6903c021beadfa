"""A model's own optimizer beats a plain loop, and gives way to what is typed and to an experiment's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from src.config import saved
from src.config.assess import assess
from src.config.command import compose
from src.config.groups import CONF, Groups
from src.report.naming import title
from src.runs import session
from src.runs.recipe_line import recipe_line
from tests.digits import write_digits
from tests.plain_loop import plain_accuracy

SHORT = ("data.batch_size=32", "data.num_workers=0", "trainer.accelerator=cpu", "threads=1", "logger=csv", "seed=0")
DIGITS = ("data=folder", "augment=none", "data.image_size=28", "data.source.channels=1")
"""Not mirrored, as folders are unless one says so."""
DRAWN = (
    *("data=shapes", "data.image_size=32", "data.source.size=32", "data.source.train=1000", "data.source.val=50"),
    *("data.source.test=1000", "trainer.max_epochs=5"),
)
MODELS = {
    "lenet": ("model=lenet", "trainer.max_epochs=4", *DIGITS),
    "resnet": (
        "model=resnet",
        "network.depth=10",
        "network.layers=[1,1,1,1]",
        "network.stem=imagenet",
        "trainer.max_epochs=2",
        *DIGITS,
    ),
    "conv4": ("model=classifier", "network=conv4", "network.widths=[16,16,16,16]", *DRAWN),
}


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    return write_digits(tmp_path_factory.mktemp("digits"))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_as_it_comes_beats_a_plain_loop_with_adam(name, digits, tmp_path):
    typed = [*MODELS[name], *SHORT, *([f"data.root={digits}"] if "data=folder" in MODELS[name] else [])]
    session.start(compose("train", [*typed, f"run_dir={tmp_path}/run"]))
    ours = json.loads((tmp_path / "run" / "metrics.json").read_text())["test/accuracy"]
    assert ours > plain_accuracy(*typed)


def optimizer_of(*overrides: str, folders: tuple[Path, ...] = (CONF,)) -> tuple[str, float]:
    config = assess("train", overrides, Groups(folders)).accepted().config
    return config.optimizer._target_.rpartition(".")[2], config.optimizer.lr


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["model=lenet"], ("AdamW", 3e-3)),
        (["model=resnet"], ("SGD", 0.02)),
        (["model=googlenet"], ("AdamW", 1e-3)),
        (["model=timm"], ("AdamW", 3e-3)),
        (["experiment=imagenette_5epochs", "optimizer.lr=0.002"], ("AdamW", 2e-3)),
        (["model=resnet", "network=vgg19"], ("AdamW", 3e-4)),  # the rate follows the network
        (["model=localizer", "network=lenet"], ("AdamW", 3e-3)),
        (["model=vgg19", "optimizer=sgd"], ("SGD", 0.02)),
        (["model=vgg19", "optimizer.lr=0.001"], ("AdamW", 1e-3)),
        (["experiment=imagenette_quick", "network=vgg19"], ("SGD", 0.05)),
        (["experiment=lenet_shapes", "optimizer=rmsprop", "optimizer.lr=0.01"], ("RMSprop", 0.01)),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_the_network_brings_an_optimizer_and_what_is_typed_or_an_experiments_wins(typed, expected):
    assert optimizer_of(*typed) == expected


def test_an_experiment_of_the_users_keeps_its_own_optimizer(tmp_path):
    path = tmp_path / "experiment" / "mine.yaml"
    path.parent.mkdir()
    path.write_text("# @package _global_\ndefaults:\n  - override /model: vgg19\n  - override /optimizer: sgd\n")
    assert optimizer_of("experiment=mine", folders=(CONF, tmp_path)) == ("SGD", 0.02)


def test_every_shipped_experiment_says_which_optimizer_it_takes():
    """So that a network's own never changes what was published."""
    for path in (CONF / "experiment").glob("*.yaml"):
        entries = yaml.safe_load(path.read_text()).get("defaults", [])
        names = {str(key) for entry in entries if isinstance(entry, dict) for key in entry}
        builds_on = [entry for entry in entries if isinstance(entry, str) and entry != "_self_"]
        assert "override /optimizer" in names or builds_on, path.name


@pytest.mark.parametrize("command", ["summary", "explain"])
def test_a_command_that_does_not_train_has_no_optimizer(command):
    found = assess(command, ["model=vgg19"], Groups()).accepted()
    assert "optimizer" not in found.config


def test_what_a_training_goes_by_is_one_line():
    config = saved.plain(compose("train", ["model=lenet", "data.batch_size=32"]).config)
    assert recipe_line(config) == (
        "AdamW, lr 0.003, weight_decay 0.05; cosine, warmup_epochs auto; 5 epochs, batches of 32"
    )


@pytest.mark.parametrize("model", ["resnet", "classifier"])
def test_a_page_names_a_classifier_after_its_network_alone(model):
    composed = compose("train", [f"model={model}", "network=conv4", "data=mnist"])
    config = saved.plain(composed.config) | {"choices": {"model": model, "data": "mnist"}}
    assert title(config) == "conv4 on mnist"
