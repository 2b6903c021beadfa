"""The stage that writes the page over all experiments: a function of their outputs and of the report's code."""

from __future__ import annotations

from src.runs.stages.dependencies import current, keep_only
from src.runs.stages.places import EVALUATED, OUTPUTS


def write() -> None:
    """Write outputs/report.html and outputs/report.md."""
    experiments = current("report.json")
    keep_only(EVALUATED, experiments)
    from src.report.overview import write_report

    write_report([OUTPUTS / name for name in experiments], OUTPUTS / "report.html", reproducible=True)
    current("report.json")
