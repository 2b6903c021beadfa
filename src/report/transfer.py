"""What was learned and what was kept: the sections of transfer learning's report."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from markupsafe import Markup

from src.report.layout import Section, render
from src.report.numbers import duration, number


def kept_section(images: int, to_keep: float, epochs: Sequence[float]) -> Section:
    """Return how long it took to compute what the head is given for `images`, and how long epochs over that took.

    `to_keep` and `epochs` in seconds, as measured: what epochs over images would have taken nobody knows.
    """
    epoch = statistics.median(epochs)
    html = Markup("<p>{}</p>").format(
        f"What the head is given was computed once for the {number(images)} images of train and val: measured, that "
        f"took {duration(to_keep)}. An epoch over it then took {duration(epoch)}"
        f"{f', the median of {len(epochs)}' if len(epochs) > 1 else ''}, {number(float(f'{epoch / to_keep:.2g}'))} "
        f"of the time of computing it."
    )
    return Section("Features computed once", html)


def learning_section(stages: Sequence[tuple[str, int, int | None, float]]) -> Section:
    """Return what learns, layer by layer: (stage, parameters, the first epoch in which it learns or None, its share of
    the learning rate).
    """
    return Section("What learns", render("learning.html", stages=stages))
