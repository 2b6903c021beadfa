"""What a training goes by is a figure that its model gives, in the direction in which that figure is better."""

from __future__ import annotations

import pytest

from src.config.assess import assess
from src.config.figures import Figures, objectives, settle_modes
from src.config.groups import CONF, Groups
from src.config.saved import plain
from src.models.classifier import Classifier
from src.models.comparison import Comparison
from src.models.localizer import Localizer
from src.models.siamese import Siamese
from tests.config.conftest import lines_of, problems_of

STOPPING = "callbacks=[default,early_stopping]"
COUNTER = """
from src.models.classifier import Classifier
from pytorch_lightning import Callback
class Kappa(Classifier):
    def configure_metrics(self): ...
class Declared(Classifier):
    figures = ("loss", "kappa", "regret")
    lower_is_better = ("loss", "regret")
    def configure_metrics(self): ...
class Counter(Callback):
    pass
"""


def settled(*overrides: str) -> dict:
    composed = assess("train", overrides, Groups((CONF,)), multirun=True).accepted()
    settle_modes(composed)
    return plain(composed.config)


@pytest.fixture
def counters(tmp_path, monkeypatch):
    (tmp_path / "counters.py").write_text(COUNTER)
    monkeypatch.syspath_prepend(tmp_path)


def test_the_direction_follows_the_metric_everywhere():
    config = settled("model=lenet", "model.monitor=val/loss", STOPPING, "scheduler=plateau")
    assert config["model"]["monitor_mode"] == "min"
    assert config["callbacks"]["best"]["mode"] == "min"
    assert config["callbacks"]["early_stopping"]["mode"] == "min"
    assert config["scheduler"]["mode"] == "min"
    assert objectives(config) == (["val/loss"], ["min"])


def test_each_callback_goes_the_way_of_its_own_figure():
    config = settled("model=lenet", STOPPING, "callbacks.early_stopping.monitor=val/loss", "model.monitor_mode=max")
    assert config["callbacks"]["early_stopping"]["mode"] == "min"
    assert config["callbacks"]["best"]["mode"] == config["model"]["monitor_mode"] == "max"


def test_a_callback_of_lightning_without_a_mode_gets_the_right_one_not_the_librarys():
    config = settled(
        "model=lenet", "callbacks.kept._target_=pytorch_lightning.callbacks.ModelCheckpoint",
        "callbacks.kept.monitor=val/accuracy",
    )  # fmt: skip
    assert config["callbacks"]["kept"]["mode"] == "max"


def test_a_figure_of_train_is_looked_at_when_there_is_one():
    config = settled("model=lenet", STOPPING, "callbacks.early_stopping.monitor=train/loss")
    assert config["callbacks"]["early_stopping"] == {
        "_target_": "pytorch_lightning.callbacks.EarlyStopping", "monitor": "train/loss", "mode": "min", "patience": 5,
        "check_on_train_epoch_end": True,
    }  # fmt: skip


def test_a_search_has_a_direction_for_each_of_its_figures():
    config = settled("model=localizer", "search.metric=[auto,val/localization_error,train/loss]")
    assert objectives(config) == (
        ["val/mean_localization_accuracy", "val/localization_error", "train/loss"], ["max", "min", "min"]
    )  # fmt: skip
    assert objectives(settled("search.metric=val/loss")) == (["val/loss"], ["min"])


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        (["model.monitor=val/loss", "model.monitor_mode=max"], "model.monitor_mode"),
        (["model.monitor_mode=min"], "model.monitor_mode"),
        ([STOPPING, "callbacks.early_stopping.monitor=val/loss", "callbacks.early_stopping.mode=max"],
         "callbacks.early_stopping.mode"),
        (["callbacks.best.mode=min"], "callbacks.best.mode"),
        (["scheduler=plateau", "scheduler.mode=min"], "scheduler.mode"),
        (["search.direction=min"], "search.direction"),
        (["search.metric=[val/accuracy,val/loss]", "search.direction=[max,max]"], "search.direction"),
    ],
)  # fmt: skip
def test_a_loss_that_is_maximised_is_refused_unless_typed_twice(typed, key):
    (found,) = problems_of(*typed)
    assert found.key == key
    assert "goes for the worst" in found.what
    mode = "max" if "loss" in found.what else "min"
    assert f"model.monitor_mode_confirmed={mode}" in found.suggestion
    assert lines_of(problems_of(*typed, f"model.monitor_mode_confirmed={mode}")) == []


def test_a_confirmation_of_nothing_is_refused():
    (found,) = problems_of("model.monitor_mode_confirmed=max")
    assert found.what.startswith("confirms nothing")


@pytest.mark.parametrize(
    ("typed", "key", "words"),
    [
        (["model.monitor=val/acuracy"], "model.monitor", "did you mean val/accuracy?"),
        (["model.monitor=accuracy"], "model.monitor", "did you mean val/accuracy?"),
        (["model.monitor=val_loss"], "model.monitor", "did you mean val/loss?"),
        (["model.monitor=train/loss"], "model.monitor", "did you mean val/loss?"),
        (["model.monitor=test/accuracy"], "model.monitor", "type val/..."),
        (["model.monitor=fitness"], "model.monitor", "there are: val/loss, val/accuracy"),
        (["callbacks.best.monitor=train/loss"], "callbacks.best.monitor", "did you mean val/loss?"),
        ([STOPPING, "callbacks.early_stopping.monitor=val/los"], "callbacks.early_stopping.monitor", "val/loss?"),
        (["callbacks.k._target_=pytorch_lightning.callbacks.ModelCheckpoint", "callbacks.k.monitor=loss"],
         "callbacks.k.monitor", "val/loss?"),
        (["search.metric=train/acuracy"], "search.metric", "did you mean train/accuracy?"),
    ],
)  # fmt: skip
def test_a_figure_that_the_model_does_not_give_is_refused_by_every_key(typed, key, words):
    (found,) = problems_of("model=lenet", *typed)
    assert found.key == key
    assert words in found.suggestion


def test_a_figure_that_only_describes_needs_a_direction():
    (found,) = problems_of("model=siamese", "data=orl_faces", "model.monitor=val/same_distance")
    assert (found.key, found.suggestion) == ("model.monitor_mode", "type model.monitor_mode=max or min")
    typed = ["model=siamese", "data=orl_faces", "model.monitor=val/same_distance", "model.monitor_mode=min"]
    assert lines_of(problems_of(*typed)) == []


def test_a_model_of_ones_own_may_measure_what_it_likes(counters):
    own = ["allowed_packages=[counters]", "model=lenet"]
    kappa = [*own, "model._target_=counters.Kappa", "model.monitor=val/kappa"]
    (found,) = problems_of(*kappa)
    assert (found.key, found.suggestion) == ("model.monitor_mode", "type model.monitor_mode=max or min")
    assert lines_of(problems_of(*kappa, "model.monitor_mode=max")) == []
    assert lines_of(problems_of(*own, "model._target_=counters.Declared", "model.monitor=val/kappa")) == []
    (found,) = problems_of(*own, "model._target_=counters.Declared", "model.monitor=val/accuracy")
    assert found.key == "model.monitor"
    (found,) = problems_of(
        *own, "model._target_=counters.Declared", "model.monitor=val/regret", "model.monitor_mode=max"
    )
    assert found.what == "max goes for the worst: val/regret is better low"
    counted = [*own, "callbacks.own._target_=counters.Counter", "model.monitor=val/count", "model.monitor_mode=min"]
    assert lines_of(problems_of(*counted)) == []


def test_a_callback_of_ones_own_takes_no_direction_away(counters):
    own = ["allowed_packages=[counters]", "model=lenet", "callbacks.own._target_=counters.Counter"]
    assert lines_of(problems_of(*own)) == []
    assert settled(*own)["callbacks"]["best"]["mode"] == "max"
    assert settled(*own, "model.monitor=val/loss")["callbacks"]["best"]["mode"] == "min"
    (found,) = problems_of(*own, "model.monitor=val/loss", "model.monitor_mode=max")
    assert found.what == "max goes for the worst: val/loss is better low"


@pytest.mark.parametrize("task", [Classifier, Localizer, Siamese, Comparison])
def test_every_figure_of_every_task_says_which_way_it_is_better(task):
    """By their names: losses and errors low, distances and spreads neither, all else high."""
    target = f"{task.__module__}.{task.__qualname__}"
    figures = Figures.of({"model": {"_target_": target}})
    assert figures.names() == [
        *(f"val/{name}" for name in task.figures), *(f"train/{name}" for name in task.train_figures or task.figures)
    ]  # fmt: skip
    for name in figures.names():
        neither = any(word in name for word in ("distance", "spread", "active"))
        low = "loss" in name or "error" in name
        assert figures.better(name) == (None if neither else "min" if low else "max"), name


def test_a_monitor_that_is_no_text_is_told_as_that_alone():
    assert {one.what for one in problems_of("model=lenet", "model.monitor=null")} == {"must be text, not null"}


def test_auto_is_no_figure_to_choose_weights_by():
    (found,) = problems_of("model=lenet", "model.monitor=auto")
    assert found.key == "model.monitor"
    assert "auto is no figure of model=lenet" in found.what
