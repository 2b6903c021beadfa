"""Chooses the experiments of the pipeline: `python -m pipelines.use tiny` makes params/tiny.yaml params.yaml."""

from __future__ import annotations

import sys

from src.config.command import end_with
from src.errors import UserError


def use() -> None:
    """Copy the preset that the command line names."""
    from src.runs.stages.presets import use

    if len(sys.argv) != 2:
        raise UserError("type python -m pipelines.use NAME, of params/NAME.yaml")
    use(sys.argv[1])
    print(f"params.yaml is params/{sys.argv[1]}.yaml now; dvc repro runs it")


if __name__ == "__main__":
    end_with(use)
