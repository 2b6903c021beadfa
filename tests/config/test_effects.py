"""Each key of each command acts or is refused: all keys of a training are typed behind all commands."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from src.config import effects, saved
from src.config.assess import assess
from src.config.command import compose
from src.config.groups import Groups, leaves
from src.config.problems import ConfigurationError
from src.config.settings import settings
from src.config.shared import SharedChoices
from src.evaluate import evaluate
from src.sweeps.job import digest_of
from tests.config.conftest import problems_of
from tests.training import train

DATA = {
    *("root", "store", "store_budget", "stream", "stream_cache", "val_fraction", "test_fraction", "folds", "fold"),
    *("on_bad_sample", "limit", "train_per_class", "cache_dir", "_target_", "source"),
    *("repeated", "on_rare_class"),
}
LOADING = {"batch_size", "num_workers"}
MODEL = {"channels_last", "compile", "test_time_flip"}
TRAINER = {"accelerator", "devices", "num_nodes", "strategy", "precision", "deterministic"}
ACTS: dict[tuple[str, ...], dict[str, set[str]]] = {
    ("evaluate", "run=r"): {
        "data": DATA | LOADING,
        "model": {*MODEL, "class_weights"},
        "trainer": TRAINER,
        "": {"threads", "allowed_packages"},
    },
    ("predict", "run=r", "input=i"): {"model": MODEL, "": {"threads", "allowed_packages"}},
    ("explain", "run=r", "method=gradcam", "split=test"): {
        "data": DATA,
        "logger": {"wandb"},
        "": {"threads", "allowed_packages", "name", "tags"},
    },
    ("explain", "run=r", "method=gradcam", "input=i"): {
        "logger": {"wandb"},
        "": {"threads", "allowed_packages", "name", "tags"},
    },
    ("summary", "run=r"): {"": {"allowed_packages"}},
}
"""By command: the keys of a training that act on what it does with a run, by section; `""` has the plain ones."""


@pytest.fixture(scope="module")
def keys() -> dict[str, Any]:
    return leaves(saved.plain(compose("train", []).config))


def written(value: Any) -> str:
    text = json.dumps(value) if not isinstance(value, str) else value
    return text.replace('"', "").replace(" ", "")


@pytest.mark.parametrize("command", ACTS, ids=" ".join)
def test_each_key_of_a_training_acts_on_a_finished_run_or_is_refused(command, keys):
    name, *typed = command
    acting, shared = ACTS[command], SharedChoices()
    for key, value in keys.items():
        section, name_in_it = key.split(".")[:2] if "." in key else ("", key)
        expected = name_in_it in acting.get(section, set())
        found = assess(name, [*typed, f"{key}={written(value)}"], Groups(), compose=shared.compose).problems
        assert (not found) == expected, (key, found)
        assert all(one.what and one.suggestion for one in found)


@pytest.mark.parametrize(
    ("command", "typed", "words"),
    [
        ("evaluate", ["run=r", "data.image_size=64"], "as the run was trained"),
        ("evaluate", ["run=r", "data.eval_crop=whole"], "as the run was trained"),
        ("evaluate", ["run=r", "data.normalize=none"], "as the run was trained"),
        ("evaluate", ["run=r", "augment=none"], "nothing is augmented"),
        ("evaluate", ["run=r", "optimizer=adam"], "is over"),
        ("evaluate", ["run=r", "model=vgg19"], "own network"),
        ("evaluate", ["run=r", "debug=limit"], "is over"),
        ("evaluate", ["run=r", "trainer.precision=bf16-mixed"], "full precision"),
        ("evaluate", ["run=r", "trainer.devces=2"], "is over"),
        ("predict", ["run=r", "input=i", "data.batch_size=2"], "no data of the run"),
        ("explain", ["run=r", "method=gradcam", "split=test", "data.batch_size=2"], "batch_size="),
        ("explain", ["model.monitor=val/loss", "network.weights=w", "method=filters"], "only the model's network"),
        ("summary", ["network.weights=w"], "no weights are needed"),
        ("summary", ["model.class_weights=balanced"], "only the model's network"),
        ("lr_find", ["scheduler=cosine"], "lowest="),
        ("lr_find", ["optimizer.lr=1"], "lowest="),
        ("lr_find", ["trainer.max_epochs=3"], "steps="),
        ("lr_find", ["callbacks=default"], "nothing but the page"),
        ("lr_find", ["name=x"], "nothing but the page"),
        ("prepare", ["data.image_size=64"], "does not depend on it"),
        ("prepare", ["chunk=3"], "type data.store=stream too"),
        ("train", ["data.folds=3"], "type data.fold=0 too"),
        ("train", ["augment=none", "augment.crop_ratio=[1,1]"], "there are none"),
        ("train", ["model.aux_weight=0.5"], "this network has none"),
        ("train", ["model=googlenet", "network.auxiliary=false", "model.aux_weight=1.0"], "this network has none"),
        ("train", ["trainer.gradient_clip_algorithm=value"], "none are"),
        ("train", ["data=cifar10", "augment.lost_object=nothing"], "data with boxes"),
        ("train", ["data.stream_cache=3"], "data.store=stream"),
    ],
)
def test_what_would_be_ignored_is_refused_with_the_reason(command, typed, words):
    found = problems_of(*typed, command=command)
    assert any(words in f"{one.what}; {one.suggestion}" for one in found), found


@pytest.mark.parametrize(
    ("command", "typed"),
    [
        ("evaluate", ["run=r", "data=folder", "data.root=x", "trainer=gpu", "trainer.precision=64-true"]),
        ("lr_find", ["optimizer=adam", "experiment=imagenette_quick", "trainer.precision=bf16-mixed"]),
        ("prepare", ["data=cifar10", "data.working_size=32", "data.store=stream", "data.stream=x", "chunk=3"]),
        ("summary", ["model=vgg19", "network.depth=16", "image_size=64"]),
        ("train", ["data.folds=3", "data.fold=1", "data.store=stream", "data.stream=x", "data.stream_cache=1"]),
        ("train", ["model=googlenet", "model.aux_weight=0.5", "augment.crop_ratio=[1,1]"]),
    ],
)
def test_what_acts_is_taken(command, typed):
    assert not problems_of(*typed, command=command)


def test_the_keys_that_evaluation_takes_act(tmp_path, capsys):
    """Each changes what is measured or how; a refused one would give the same figures to the digit."""
    run = train(tmp_path / "run", "trainer.max_epochs=1", "data.source.train=32", "data.source.val=16")

    def measured(*typed: str) -> dict[str, Any]:
        evaluate(compose("evaluate", [f"run={run}", f"output={tmp_path}/e.json", *typed]))
        return json.loads((tmp_path / "e.json").read_text())

    plain = measured()
    assert measured("data.limit=10")["samples"] == 10
    weighted = measured("model.class_weights=[9,1,1,1,1,1,1,1]")
    assert weighted["test/loss"] != plain["test/loss"]
    assert weighted["test/accuracy"] == plain["test/accuracy"]
    assert measured("model.test_time_flip=true")["test/loss"] != plain["test/loss"]
    assert measured("data.source.seed=5")["data_digest"] != plain["data_digest"]
    before = torch.get_num_threads()
    assert measured("threads=2")["test/accuracy"] == plain["test/accuracy"]
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
    with pytest.raises(ConfigurationError, match="as the run was trained"):
        measured("data.image_size=64")


def test_one_table_says_what_no_result_depends_on():
    """What a replay may have otherwise is no setting of a run, and does not make a sweep's job another."""
    config = saved.plain(compose("train", []).config)
    changed = {**config, "name": "x", "tags": ["a"], "data": {**config["data"], "store": "files", "root": "there"}}
    assert settings(config) == settings(changed)
    assert digest_of(config) == digest_of(changed)
    assert set(effects.REPLAY.acts) <= set(effects.WITHOUT_EFFECT)
    assert set(effects.RESUME.acts) - set(effects.LENGTH) <= set(effects.WITHOUT_EFFECT)
    assert effects.RESUME.refusal("trainer.max_epochs") is None
    assert effects.REPLAY.refusal("trainer.max_epochs") is not None
    assert effects.RESUME.refusal("optimizer.lr") is not None
