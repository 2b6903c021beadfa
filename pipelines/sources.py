"""DVC stage `sources`: hands each successor the digests of the experiment that it starts from."""

from __future__ import annotations

from src.config.command import end_with


def sources() -> None:
    """Write build/sources."""
    from src.runs.stages.sources import write_sources

    write_sources()


if __name__ == "__main__":
    end_with(sources)
