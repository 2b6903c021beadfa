"""DVC stage `configs`: composes and checks every experiment of params.yaml, and writes what each stage depends on."""

from __future__ import annotations

from src.config.command import end_with


def compose() -> None:
    """Write build/stages."""
    from src.runs.stages.dependencies import write_dependencies

    for experiment in write_dependencies():
        print(f"{experiment.name}: {' '.join(experiment.overrides)}")


if __name__ == "__main__":
    end_with(compose)
