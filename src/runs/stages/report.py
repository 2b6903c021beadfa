"""The stage that writes the page over all experiments: a function of their outputs and of the report's code."""

from __future__ import annotations

from src.config.explained import read_explanations
from src.runs.stages.dependencies import current, keep_only
from src.runs.stages.places import EVALUATED, OUTPUTS, PARAMS


def write() -> None:
    """Write outputs/report.html and outputs/report.md."""
    experiments = current("report.json")
    keep_only(EVALUATED, experiments)
    from src.report.overview import write_report

    explained = [OUTPUTS / name for name in read_explanations(PARAMS, experiments)]  # also those that are still to come
    runs = [OUTPUTS / name for name in experiments]
    write_report(runs, OUTPUTS / "report.html", reproducible=True, explained=explained)
    current("report.json")
