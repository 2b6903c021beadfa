"""DVC stage `report`: a page over the experiments of params.yaml. Of other runs it is `python -m pipelines.report`."""

from __future__ import annotations

from src.config.command import end_with


def overview() -> None:
    """Write outputs/report.html, and report.md beside it."""
    from src.runs.stages.report import write

    write()


if __name__ == "__main__":
    end_with(overview)
