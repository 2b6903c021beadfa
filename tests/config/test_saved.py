"""The configuration of a run on disk, read back by a later version."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from src.config import saved
from src.config.command import compose

YOUNGER = ("repeated", "on_rare_class")
"""Keys of every source's data that runs of earlier versions have not saved."""


def kept_by_an_earlier_version(folder, *typed):
    """Save a configuration as it was before the youngest keys, and return where its unresolved form lies."""
    composed = compose("train", typed)
    OmegaConf.set_struct(composed.config, False)
    for key in YOUNGER:
        del composed.config.data[key]
    composed.config.model.monitor_mode = "max"
    composed.config.callbacks.best.mode = "${model.monitor_mode}"
    saved.save(composed, folder / "config.yaml", folder / "compose.yaml")
    return folder / "compose.yaml"


@pytest.mark.parametrize("changed", [[], ["data.batch_size=8"], ["data.repeated=leave_out"]])
def test_a_run_of_an_earlier_version_passes_the_check(tmp_path, changed):
    known = saved.load(kept_by_an_earlier_version(tmp_path, "model=lenet"))
    again = saved.plain(saved.apply(known, changed).config)
    assert again["callbacks"]["best"]["mode"] == "max"
    assert ("repeated" in again["data"]) == (changed == ["data.repeated=leave_out"])
