"""DVC stages `evaluate@NAME` and `evaluate-successor@NAME`: `python -m pipelines.evaluate NAME`."""

from __future__ import annotations

import sys

from src.config.command import end_with


def evaluate() -> None:
    """Measure the experiment that the command line names on its test split."""
    from src.runs.stages import evaluate as stage

    stage.evaluate(sys.argv[1])


if __name__ == "__main__":
    end_with(evaluate)
