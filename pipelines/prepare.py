"""DVC stage `prepare`: fetches or draws the data of all experiments, reads them once, and names them by a digest."""

from __future__ import annotations

from src.config.command import end_with


def prepare() -> None:
    """Write build/data."""
    from src.runs.stages.prepare import prepare_all

    prepare_all()


if __name__ == "__main__":
    end_with(prepare)
