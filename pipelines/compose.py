"""DVC stage `configs`: composes and checks every experiment of params.yaml, and writes what each stage depends on."""

from __future__ import annotations

import sys

from src.config.command import end_with


def compose() -> None:
    """Write build/stages."""
    from src.runs.stages.dependencies import write_dependencies

    for experiment in write_dependencies():
        print(f"{experiment.name}: {' '.join(experiment.overrides)}")
        if experiment.composed.config.threads == "auto":
            print(
                f"note: {experiment.name} has threads=auto: its bits depend on the cores of the machine",
                file=sys.stderr,
            )


if __name__ == "__main__":
    end_with(compose)
