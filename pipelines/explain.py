"""DVC stage `explain@NAME`: `python -m pipelines.explain NAME`."""

from __future__ import annotations

import sys

from src.config.command import end_with


def explain() -> None:
    """Explain the experiment that the command line names."""
    from src.runs.stages import explain as stage

    stage.explain(sys.argv[1])


if __name__ == "__main__":
    end_with(explain)
