"""Parts that do not fit together, and choices that an experiment must not silently keep."""

import pytest

from src.config.assess import assess
from src.config.compatibility import notes
from src.config.groups import CONF, Groups
from tests.config.conftest import lines_of, problems_of

BOXER = """
class Boxer:
    requires = ("box",)
    def __init__(self, *, network, spec, optimizer, scheduler, seed): ...
"""
EXPERIMENT = """# @package _global_
defaults:
  - override /model: resnet
  - override /optimizer: sgd
  - override /data: imagenette
"""


@pytest.fixture
def boxer(tmp_path, monkeypatch, own_folder):
    """A model of the user's own that needs boxes."""
    (tmp_path / "boxers.py").write_text(BOXER)
    monkeypatch.syspath_prepend(tmp_path)
    text = "defaults:\n  - /network@_global_.network: resnet\n_target_: boxers.Boxer\nmonitor: x\nmonitor_mode: max\n"
    return own_folder("model/boxer", text.replace("monitor: x\nmonitor_mode: max\n", ""))


def test_model_that_needs_what_the_data_lack_is_refused(boxer):
    overrides = ["model=boxer", "allowed_packages=[boxers]", "callbacks=none", "data=imagenette"]
    (found,) = problems_of(*overrides, folders=(CONF, boxer))
    assert found.what == "model=boxer needs box; data=imagenette provides label, identity"
    assert found.suggestion.startswith("data with box: ")
    assert "shapes" in found.suggestion
    assert lines_of(problems_of(*overrides[:3], "data=shapes", folders=(CONF, boxer))) == []


@pytest.mark.parametrize(
    ("body", "typed", "message"),
    [
        ("  - override /network@_global_.network: resnet50\n", ["model=vgg19"], "also chooses network=resnet50"),
        ("  - override /network@_global_.network: resnet50\n", ["model=resnet"], "also chooses network=resnet50"),
        ("network: {depth: 34}\n", ["model=vgg19"], "type network.depth=... to say which"),
        ("network: {depth: 34}\n", ["model=resnet"], "type network.depth=... to say which"),
        ("optimizer: {_target_: torch.optim.Adam}\n", ["optimizer=adamw"], "leave out one of the two"),
    ],
)
def test_choice_typed_is_never_silently_kept_from_an_experiment(own_folder, body, typed, message):
    folder = own_folder("experiment/e", EXPERIMENT + body)
    found = problems_of("experiment=e", *typed, folders=(CONF, folder))
    assert any(message in f"{p.what}; {p.suggestion}" and "experiment/e.yaml" in p.where for p in found), found


@pytest.mark.parametrize(
    ("body", "typed"),
    [
        ("  - override /network@_global_.network: resnet50\n", ["model=vgg19", "network=vgg19"]),
        ("network: {depth: 34}\n", ["model=vgg19", "network.depth=13"]),
        ("network: {depth: 18}\n", ["model=resnet"]),
        ("network: {depth: 34}\n", ["seed=3"]),
    ],
)
def test_experiment_fits_where_it_is_said_which(own_folder, body, typed):
    folder = own_folder("experiment/e", EXPERIMENT + body)
    assert lines_of(problems_of("experiment=e", *typed, folders=(CONF, folder))) == []


def test_typed_model_replaces_the_experiments(own_folder):
    folder = own_folder("experiment/e", EXPERIMENT)
    found = assess("train", ["experiment=e", "model=vgg19"], Groups((CONF, folder))).accepted()
    assert found.choices["model"] == "vgg19"
    assert found.choices["network"] == "vgg19"
    assert "vgg" in found.config.network._target_
    assert found.choices["data"] == "imagenette"


def test_values_that_an_experiment_adds_to_a_typed_choice_are_noted(own_folder):
    folder = own_folder("experiment/e", EXPERIMENT + "optimizer: {lr: 0.2, momentum: 0.8}\n")
    found = assess("train", ["experiment=e", "optimizer=rmsprop", "optimizer.momentum=0.5"], Groups((CONF, folder)))
    assert notes(found.accepted()) == ["experiment=e sets, also for optimizer=rmsprop: optimizer.lr=0.2"]
    assert notes(assess("train", ["experiment=e"], Groups((CONF, folder))).accepted()) == []


def test_mixed_up_batches_are_refused_where_a_model_has_targets_without_a_mixture():
    (found,) = problems_of("model=localizer", "augment.cutmix=1.0")
    assert found.what == "model=localizer cannot learn from images that are mixed up"
    assert (found.key, found.suggestion) == ("augment.cutmix=1.0", "type augment.cutmix=0")
    (found,) = problems_of("model=localizer", "augment=strong")
    assert "augment/strong.yaml" in found.where
    assert lines_of(problems_of("model=resnet", "augment=strong")) == []


def test_a_localizer_without_boxes_is_told_which_data_have_them():
    (found,) = problems_of("model=localizer", "data=imagenette")
    assert found.what.startswith("model=localizer needs label, box; data=imagenette provides label")
    names = set(found.suggestion.partition(": ")[2].replace(" or ", ", ").split(", "))
    assert {"shapes", "caltech", "boxes_csv", "voc", "coco"} <= names


def test_a_figure_that_nobody_measures_is_refused_with_the_one_that_was_meant():
    (monitor, first, second) = problems_of(
        "model.monitor=val/acuracy", "search.metric=[val/los,val/recall_at_1,train/loss]"
    )
    assert (monitor.key, monitor.suggestion) == ("model.monitor", "did you mean val/accuracy?")
    assert (first.key, first.suggestion) == ("search.metric", "did you mean val/loss?")
    assert second.what == "val/recall_at_1 is no figure of model=resnet"
    assert lines_of(problems_of("model.monitor=val/average_precision", "search.metric=val/f1")) == []


def test_statistics_that_processes_would_not_share_are_refused():
    (found,) = problems_of("network.normalization=group_chapter", "trainer=ddp", "+trainer.sync_batchnorm=true")
    assert (found.key, found.what) == (
        "trainer.sync_batchnorm=true", "does not reach network.normalization=group_chapter"
    )  # fmt: skip
    assert lines_of(problems_of("network.normalization=batch", "trainer=ddp", "+trainer.sync_batchnorm=true")) == []


def test_a_stream_has_a_place_and_a_place_is_read():
    (found,) = problems_of("data.store=stream")
    assert (found.key, found.suggestion) == (
        "data.store=stream", "type data.stream=FOLDER or data.stream=s3://BUCKET/PREFIX"
    )  # fmt: skip
    (found,) = problems_of("data.stream=s3://bucket/shapes", "data.store=packed")
    assert found.suggestion == "type data.store=stream too"
    assert lines_of(problems_of("data.store=stream", "data.stream=s3://bucket/shapes")) == []
    assert lines_of(problems_of("data.store=stream", "data.stream=s3://bucket/shapes", command="prepare")) == []
