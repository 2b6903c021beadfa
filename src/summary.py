"""Prints the layer table of a network: `python -m src.summary model=vgg19`."""

from __future__ import annotations

if not __package__:  # python src/summary.py
    import as_module  # type: ignore[import-not-found]

    as_module.refuse(__file__)

from src.config.command import Composed, main


def summary(composed: Composed) -> None:
    """Follow one image through the network of a configuration, or of a run, on the meta device."""
    from src.runs.summary import summarize

    print(summarize(composed))


if __name__ == "__main__":
    main(summary, "summary")
