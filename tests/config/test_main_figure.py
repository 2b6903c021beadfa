"""What a classifier is chosen by where nobody typed it."""

import pytest

from src.config import saved
from src.config.command import compose

TABLE = ("model=lenet", "data=csv")


def monitors(*overrides):
    config = saved.plain(compose("train", ["callbacks=[default,early_stopping]", *overrides]).config)
    return {config["model"]["monitor"], *(one["monitor"] for one in config["callbacks"].values() if "monitor" in one)}


@pytest.mark.parametrize("asked", ["data.source.label_column=[a,b]", "data.source.label_separator='|'"])
def test_several_labels_are_chosen_by_a_figure_that_an_unfound_class_lowers(asked):
    assert monitors(*TABLE, asked) == {"val/f1"}


def test_one_label_is_chosen_by_accuracy():
    assert monitors(*TABLE) == monitors("model=resnet", "data=folder") == {"val/accuracy"}


def test_a_typed_monitor_stays():
    assert monitors(*TABLE, "data.source.label_column=[a,b]", "model.monitor=val/loss") == {"val/loss"}
