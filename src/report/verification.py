"""How well same and different are told apart: the sections of the report of a siamese or comparison network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from src.report.charts import Series, line_chart, scatter_chart
from src.report.layout import Section
from src.report.numbers import number
from src.report.pictures import Picture, gallery

Floats = NDArray[np.float64]
Pair = tuple[int, int, float]

FEWEST_FALSE = 1e-4
"""Share of false accepts at which the logarithmic curve begins."""
CORNERS = 600
"""Of a curve that are drawn."""
BARS = 50
"""Of the histograms, each of several bins."""
MAX_POINTS = 1500
"""Of the embedding in two dimensions; of more, as many are drawn, evenly chosen."""
GAP = 4
"""Pixels between the two pictures of a pair."""


@dataclass(frozen=True)
class Shown:
    """What is shown of N samples and all their pairs; `image(i)` is sample i, uint8 (H, W, C)."""

    false_accepts: Floats
    """(V,) and `true_accepts` (V,): the corners of the ROC curve."""
    true_accepts: Floats
    roc_auc: float
    distances: Floats
    """(B,) where the pairs are counted, rising; `same` and `different` (B,) are how many."""
    same: Floats
    different: Floats
    threshold: float
    nearest_different: Sequence[Pair]
    farthest_same: Sequence[Pair]
    embeddings: NDArray[np.float32]
    """(N, D)."""
    identities: Sequence[str]
    image: Callable[[int], NDArray[np.uint8]]
    paths: Sequence[str]
    measure: str = "distance"
    """What the distances are called: those of a comparison network are logits, which may be negative."""


def sections_from(
    values: Mapping[str, NDArray[Any]], images: Callable[[int], NDArray[np.uint8]], split: str
) -> list[Section]:
    """Return the sections of answers that were kept (`src.answers`)."""
    arrays = ("false_accepts", "true_accepts", "distances", "same", "different", "embeddings")
    shown = Shown(
        **{name: values[name] for name in arrays},
        roc_auc=float(values["roc_auc"]),
        threshold=float(values["threshold"]),
        nearest_different=_as_pairs(values["nearest_different"]),
        farthest_same=_as_pairs(values["farthest_same"]),
        identities=values["identities"].tolist(),
        measure=str(values.get("measure", "distance")),
        paths=values["paths"].tolist(),
        image=images,
    )
    return verification_sections(shown, split)


def _as_pairs(rows: NDArray[np.float64]) -> list[Pair]:
    return [(int(first), int(second), distance) for first, second, distance in rows.tolist()]


def verification_sections(shown: Shown, split: str) -> list[Section]:
    """Return the ROC curve and the distances, the pairs that were hardest, and the embedding in two dimensions."""
    curves = [_roc(shown), _roc_logarithmic(shown), _distances(shown)]
    sections = {
        "Same or different": Markup('<div class="charts">{}</div>').format(Markup("").join(curves)),
        "Nearest of different identities": _pairs(shown, shown.nearest_different, "Taken for the same most easily."),
        "Farthest of the same identity": _pairs(shown, shown.farthest_same, "Taken for different most easily."),
        "Embedding": _embedding(shown),
    }
    return [Section(f"{title}, {split}", html) for title, html in sections.items()]


def _roc(shown: Shown) -> Markup:
    chance = Series("chance", [0.0, 1.0], [0.0, 1.0], tone=5, faint=True)
    network = Series("area", *_corners(shown.false_accepts, shown.true_accepts), figure=number(shown.roc_auc))
    return line_chart("True accepts", [chance, network], "false accepts", x_text=_false)


def _roc_logarithmic(shown: Shown) -> Markup:
    """The same curve where false accepts are few: powers of ten on the x axis."""
    few = shown.false_accepts >= FEWEST_FALSE
    x, y = _corners(np.log10(shown.false_accepts[few]), shown.true_accepts[few])
    ticks = [(float(power), number(10.0**power)) for power in range(round(math.log10(FEWEST_FALSE)), 1)]
    at = [share for share in (0.001, 0.01) if (shown.false_accepts <= share).any()]
    figure = ", ".join(
        f"{number(float(shown.true_accepts[shown.false_accepts <= share][-1]))} at {number(share)}" for share in at
    )
    return line_chart(
        "True accepts at few false ones",
        [Series("", x, y, figure=figure)],
        "false accepts, logarithmic",
        x_ticks=ticks,
        x_text=lambda value: _false(10.0**value),
    )


def _corners(x: Floats, y: Floats) -> tuple[list[float], list[float]]:
    """Return the corners of a staircase without the points on its steps, the last always; of many, evenly chosen."""
    inner = ((x[1:-1] == x[:-2]) & (x[1:-1] == x[2:])) | ((y[1:-1] == y[:-2]) & (y[1:-1] == y[2:]))
    kept = np.flatnonzero(np.concatenate([[True], ~inner, [True]])) if len(x) > 2 else np.arange(len(x))
    kept = kept[np.unique(np.linspace(0, len(kept) - 1, CORNERS).round().astype(int))]
    return x[kept].tolist(), y[kept].tolist()


def _false(value: float) -> str:
    return f"false accepts {number(float(f'{value:.3g}'))}"


def _distances(shown: Shown) -> Markup:
    """Shares of the pairs at each distance, as densities that both have an area of one."""
    x = shown.distances.reshape(BARS, -1).mean(axis=1).tolist()
    width = (x[1] - x[0]) or 1.0
    kinds = (shown.same, shown.different)
    densities = [counts.reshape(BARS, -1).sum(axis=1) / max(counts.sum(), 1) / width for counts in kinds]
    series = [
        Series(name, x, density.tolist(), tone, figure=number(float(np.average(shown.distances, weights=counts))))
        for tone, (name, density, counts) in enumerate(
            zip(("same, mean", "different, mean"), densities, kinds, strict=True)
        )
    ]
    if math.isfinite(shown.threshold):
        top = max(float(density.max()) for density in densities)
        series.append(
            Series("threshold", [shown.threshold] * 2, [0.0, top], tone=2, figure=number(round(shown.threshold, 4)))
        )
    what = shown.measure
    return line_chart(f"Pairs by {what}", series, what, x_text=lambda value: f"{what} {number(value)}")


def _pairs(shown: Shown, pairs: Sequence[Pair], legend: str) -> Markup:
    pictures = []
    for first, second, distance in pairs:
        right = distance <= shown.threshold if shown.identities[first] == shown.identities[second] else distance > shown.threshold  # fmt: skip # noqa: E501
        answer = ("same" if distance <= shown.threshold else "different") + ("" if right else ", wrong")
        lines = [(answer, number(float(f"{distance:.4g}")))]
        pictures.append(
            Picture(_side_by_side(shown, first, second), lines, f"{shown.paths[first]} | {shown.paths[second]}")
        )
    return Markup("<p>{}</p>{}").format(
        f"{legend} The answer at the threshold, and the {shown.measure}." if pictures else "None.", gallery(pictures)
    )


def _side_by_side(shown: Shown, first: int, second: int) -> NDArray[np.uint8]:
    left, right = shown.image(first), shown.image(second)
    between = np.full((len(left), GAP, left.shape[-1]), 255, np.uint8)
    return np.concatenate([left, between, right], axis=1)


def _embedding(shown: Shown) -> Markup:
    """The two directions in which the embeddings differ most: their first principal components."""
    kept = np.unique(np.linspace(0, len(shown.embeddings) - 1, MAX_POINTS).round().astype(int))
    points, share = principal_components(shown.embeddings)
    order = sorted(dict.fromkeys(shown.identities[i] for i in kept))
    groups = [(name, [i for i in kept if shown.identities[i] == name]) for name in order]
    chart = scatter_chart(
        "Embedding",
        [(name, points[members], [shown.paths[i] for i in members]) for name, members in groups],
        f"two principal components, with {share:.0%} of the variance",
    )
    return Markup('<div class="large">{}</div>').format(chart)


def principal_components(embeddings: NDArray[np.floating]) -> tuple[Floats, float]:
    """Return (N, 2) the coordinates of embeddings (N, D) along their first two principal components, and what share of
    the variance they have.

    The sign of each is such that its largest weight is positive, so that equal embeddings make equal pictures.
    """
    centred = np.asarray(embeddings, np.float64) - embeddings.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    first = vectors[:, ::-1][:, :2]
    if first.shape[1] < 2:  # an embedding of one number
        first = np.concatenate([first, np.zeros_like(first)], axis=1)
    signs = np.sign(first[np.abs(first).argmax(axis=0), [0, 1]])
    total = values.sum()
    return centred @ (first * np.where(signs == 0, 1, signs)), float(values[-2:].sum() / total) if total > 0 else 0.0
