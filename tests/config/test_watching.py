"""Names that W&B refuses are refused before it is imported; the lengths and characters are those of wandb itself."""

from __future__ import annotations

import pytest
import wandb

from tests.config.conftest import lines_of, problems_of


def told(*typed: str) -> str:
    return "\n".join(lines_of(problems_of(*typed)))


@pytest.mark.parametrize("project", ["team/project", "a#b", "what?", "50%", "a:b", "p" * 129])
def test_a_project_that_wandb_refuses_is_refused(project):
    with pytest.raises(wandb.errors.UsageError):
        wandb.Settings(project=project)
    assert "logger.wandb.project" in told(f"logger.wandb.project='{project}'")
    assert not told("logger=csv", "logger.csv=null")


def test_a_project_with_its_team_is_told_how_to_type_both():
    assert "type logger.wandb.entity=team logger.wandb.project=proj" in told("logger.wandb.project=team/proj")


@pytest.mark.parametrize(("length", "taken"), [(64, True), (65, False), (0, False)])
def test_a_tag_has_one_to_64_characters(length, taken):
    tag = "a" * length
    try:
        wandb.Settings(run_tags=(tag,))
        refused = False
    except ValueError:
        refused = True
    assert refused == (not taken)
    assert bool(told(f"tags=['{tag}']")) == refused
    assert not told(f"tags=['{tag}']", "logger=csv")  # only a name for people there


@pytest.mark.parametrize("typed", ["logger.wandb.entity=te/am", "name=" + "n" * 129, "name=''", "tags=[1]"])
def test_other_names_are_refused_too(typed):
    assert typed.partition("=")[0] in told(typed)


def test_a_graph_of_the_network_is_not_promised_to_tensorboard():
    assert "no model keeps one" in told("logger=tensorboard", "logger.tensorboard.log_graph=true")
    assert "whole number" in told("logger=tensorboard", "logger.tensorboard.flush_secs=soon")
