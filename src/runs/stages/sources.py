"""The stage between experiments and those that start from them: each of these waits for its own source alone."""

from __future__ import annotations

from src.files import write_text
from src.runs.stages.dependencies import current, keep_only
from src.runs.stages.places import LEARNED, SOURCES


def write_sources() -> None:
    """Write, for each experiment that starts from another, the digests of what that one has learned."""
    SOURCES.mkdir(parents=True, exist_ok=True)
    experiments = current("sources.json")
    keep_only(LEARNED, (name for name, experiment in experiments.items() if not experiment.source))
    for name, experiment in experiments.items():
        if experiment.source:
            write_text(SOURCES / f"{name}.json", (LEARNED / f"{experiment.source}.json").read_text())
