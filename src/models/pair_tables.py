"""What `evaluate predictions=` writes of a verification: a row per pair of the protocol, or per image its nearest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from src.data.sources.base import Pairs
from src.metrics.verification import Comparer
from src.models.base import Row

if TYPE_CHECKING:
    from src.data.module import ImageData

ROWS = 256
"""Images that are compared with all others at once; of pairs, a square matrix of which the diagonal is wanted."""


def row_distances(comparer: Comparer, left: Tensor, right: Tensor) -> Tensor:
    """Return how far embeddings (N, D) and (N, D) are apart, row by row."""
    chunks = zip(torch.split(left, ROWS), torch.split(right, ROWS), strict=True)
    return torch.cat([comparer.distances(a, b).diagonal() for a, b in chunks])


def pairs_within(pairs: Pairs, indices: NDArray[np.int64]) -> Pairs:
    """Return the pairs of which both images are among the samples `indices`."""
    known = np.isin(pairs.first, indices) & np.isin(pairs.second, indices)
    return Pairs(pairs.first[known], pairs.second[known], pairs.same[known], pairs.fold[known], pairs.trains)


def names_of(data: ImageData, identities: Sequence[int]) -> list[str]:
    """Return the names of identities: those of their folders, `#7` where the data have no names for them."""
    source = data.source
    named = np.array_equal(source.labels(), source.identities())
    return [source.classes[k] if named and k >= 0 else f"#{k}" for k in identities]


def pair_rows(data: ImageData, pairs: Pairs, distances: Tensor, threshold: float, probabilities: Tensor) -> list[Row]:
    """Return for each of M pairs its files, who is on them, the truth, the answer, `distance` (M,) and the fold."""
    who = data.source.identities()
    names = [names_of(data, who[side].tolist()) for side in (pairs.first, pairs.second)]
    columns = zip(
        *(pairs.first.tolist(), pairs.second.tolist(), *names, pairs.same.tolist(), pairs.fold.tolist()),
        *(distances.tolist(), probabilities.tolist()),
        strict=True,
    )
    return [
        {
            "first": data.name_of(first),
            "second": data.name_of(second),
            "first_identity": left,
            "second_identity": right,
            "truth": "same" if same else "different",
            "answer": "same" if distance <= threshold else "different",
            "probability": probability,
            "distance": distance,
            "fold": fold,
        }
        for first, second, left, right, same, fold, distance, probability in columns
    ]


def image_rows(
    data: ImageData, indices: NDArray[np.int64], embeddings: Tensor, threshold: float, comparer: Comparer
) -> list[Row]:
    """Return for each of N images its file, who is on it, and the nearest of the others, with `embeddings` (N, D)."""
    found, nearest = [], []
    for start in range(0, len(embeddings), ROWS):
        rows = comparer.distances(embeddings[start : start + ROWS], embeddings)
        places = torch.arange(len(rows))
        rows[places, start + places] = torch.inf  # itself
        values, others = rows.min(1)
        found += values.tolist()
        nearest += others.tolist()
    names = names_of(data, data.source.identities()[indices].tolist())
    paths = [data.name_of(index) for index in indices.tolist()]
    return [
        {
            "path": path,
            "identity": name,
            "nearest": paths[other],
            "nearest_identity": names[other],
            "distance": distance,
            "answer": "same" if distance <= threshold else "different",
        }
        for path, name, other, distance in zip(paths, names, nearest, found, strict=True)
    ]
