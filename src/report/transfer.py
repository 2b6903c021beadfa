"""What was learned and what was kept: the sections of transfer learning's report."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from markupsafe import Markup

from src.report.layout import Section, render
from src.report.numbers import duration


def kept_section(to_keep: float, epochs: Sequence[float]) -> Section:
    """Return how much faster the epochs were over kept features; `to_keep` and `epochs` in seconds."""
    epoch = statistics.median(epochs)
    text = (
        "What the head is given was computed once, in {}, for all images of train and val. An epoch then took {}; with "
        "the rest of the network it would have taken that much more: {} times as long. Over {} epochs that saved {}."
    )
    html = Markup("<p>{}</p>").format(
        text.format(
            duration(to_keep),
            duration(epoch),
            f"{(to_keep + epoch) / epoch:.1f}",
            len(epochs),
            duration(to_keep * (len(epochs) - 1)),
        )
    )
    return Section("Features computed once", html)


def learning_section(stages: Sequence[tuple[str, int, int | None, float]]) -> Section:
    """Return what learns, layer by layer: (stage, parameters, the first epoch in which it learns or None, its share of
    the learning rate).
    """
    return Section("What learns", render("learning.html", stages=stages))
