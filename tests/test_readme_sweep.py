"""The W&B sweep of the README is one that W&B's agent can run."""

from __future__ import annotations

import re

import yaml

from src.config.command import compose
from tests.prove.promise import ROOT


def test_the_wandb_sweep_of_the_readme_types_what_the_command_takes():
    """As the agent does: `args_no_hyphens` becomes key=value for each parameter."""
    text = (ROOT / "README.md").read_text()
    sweep = yaml.safe_load(re.search(r"```yaml\n(program: .*?)```", text, re.DOTALL)[1])
    assert (ROOT / sweep["program"]).exists()
    drawn = {key: p["values"][-1] if "values" in p else p["min"] for key, p in sweep["parameters"].items()}
    words = sweep["command"]
    assert words[:4] == ["${env}", "python", "-m", "src.train"]
    assert words[-1] == "${args_no_hyphens}"
    composed = compose("train", [*words[4:-1], *(f"{key}={value}" for key, value in drawn.items())])
    assert composed.config.optimizer.lr == 0.0001
    assert composed.choices["model"] == "vgg19"
    assert sweep["metric"]["name"] == composed.config.model.monitor
