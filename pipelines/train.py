"""DVC stages `train@NAME` and `train-successor@NAME`: `python -m pipelines.train NAME`."""

from __future__ import annotations

import sys

from src.config.command import end_with


def train() -> None:
    """Train the experiment that the command line names, and write its part of outputs/."""
    from src.runs.stages import train as stage

    stage.train(sys.argv[1])


if __name__ == "__main__":
    end_with(train)
