"""Verification: are two images of the same identity? Measured over all pairs of a split.

A pair is accepted as `same` where its distance is at most a threshold. "True accepts" are the share of same pairs that
are accepted, "false accepts" that of different pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

CHUNK = 2**20
"""Pairs whose distances are in memory at once: 8 MB, and what is made of them a dozen times that."""
BINS = 200
"""Of the histograms of distances."""
CANDIDATES = 20
"""For each hardest pair that is wanted so many are looked at: most share a sample with a harder one."""
FALSE_ACCEPTS = (0.01, 0.001)


class Comparer(Protocol):
    """How two embeddings are compared, and what a split's pairs cost."""

    @property
    def figure(self) -> Literal["distance", "probability"]:
        """Return what `figures_of` gives."""

    def figures_of(self, distances: Tensor) -> Tensor:
        """Return what is told of pairs of such distances: the distances, or the probability of the same identity."""

    def distances(self, left: Tensor, right: Tensor) -> Tensor:
        """Return (N, M) how far embeddings (N, D) and (M, D) are apart: any numbers, small for the same identity."""

    def loss_parts(self, rows: Tensor, same: Tensor, different: Tensor) -> tuple[Tensor, Tensor]:
        """Return sums (K,) over the pairs of distances (A, B), and of how many: the loss is the mean of their ratios.

        The masks (A, B) say which pairs are of the same identity and which of different ones.
        """


@dataclass(frozen=True)
class PairCurve:
    """How many pairs are accepted at each threshold, exactly, whatever the number of different pairs.

    Only the distances of same pairs matter as thresholds: between two of them only false accepts are added.
    """

    thresholds: Tensor
    """(U,) distinct distances of same pairs, rising."""
    same: Tensor
    """(U,) same pairs at most so far apart."""
    nearer: Tensor
    """(U,) different pairs nearer than that."""
    within: Tensor
    """(U,) different pairs at most so far apart."""
    following: Tensor
    """(U,) the next larger distance of any pair; the threshold itself where there is none."""
    different: int
    """Different pairs in all."""

    @cached_property
    def true_accepts(self) -> Tensor:
        """(U,) share of same pairs accepted at each threshold."""
        return self.same.double() / self.same[-1]

    @cached_property
    def false_accepts(self) -> Tensor:
        """(U,) share of different pairs accepted at each threshold."""
        return self.within.double() / self.different

    def vertices(self) -> tuple[Tensor, Tensor]:
        """Return the corners of the ROC curve, false and true accepts, from (0, 0) to (1, 1).

        Before each threshold, and at it: pairs of equal distance are accepted together, which slants the curve.
        """
        zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
        before = torch.cat([zero, self.true_accepts[:-1]])
        false = torch.stack([self.nearer.double() / self.different, self.false_accepts], 1).ravel()
        true = torch.stack([before, self.true_accepts], 1).ravel()
        return torch.cat([zero, false, one]), torch.cat([zero, true, one])

    def roc_auc(self) -> float:
        """Return the probability that a same pair is nearer than a different one; equal distances count half."""
        counts = self.same.diff(prepend=self.same.new_zeros(1))
        farther = self.different - (self.nearer + self.within).double() / 2
        return float((counts * farther).sum() / self.same[-1] / self.different)

    def equal_error_rate(self) -> float:
        """Return the share of wrong answers where both kinds are wrong equally often, between corners linearly."""
        false, true = self.vertices()
        excess = false + true - 1  # of false accepts over false rejections, rising from -1 to 1
        after = int((excess >= 0).nonzero()[0, 0])
        step = -excess[after - 1] / (excess[after] - excess[after - 1])
        return float(false[after - 1] + step * (false[after] - false[after - 1]))

    def true_accepts_at(self, false_accepts: float) -> float:
        """Return the largest share of true accepts with at most this share of false ones."""
        allowed = self.true_accepts[self.false_accepts <= false_accepts]
        return float(allowed[-1]) if len(allowed) else 0.0

    def best_threshold(self) -> float:
        """Return the threshold with most right answers on as many same as different pairs.

        Halfway to the next larger distance, since any threshold in between answers alike; of equals the smallest.
        """
        best = int((self.true_accepts - self.false_accepts).argmax())
        return float(self.thresholds[best] + self.following[best]) / 2


@dataclass(frozen=True)
class Histogram:
    """How many same and different pairs (B,) lie at the distances of `centres` (B,)."""

    centres: Tensor
    same: Tensor
    different: Tensor

    def slope_at(self, threshold: float) -> float:
        """Return b of the probability 1 / (1 + exp(b (d - threshold))) that fits best to who is the same.

        By maximum likelihood, as many same as different pairs, with the targets of Platt (1999) in place of 1 and 0 so
        that a perfect separation has a finite slope; the probability is 1/2 at the threshold, by construction. Zero
        where distances say nothing. The gradient rises with b, so its zero is found by halving.
        """
        total_same, total_different = self.same.sum(), self.different.sum()
        weights = torch.cat([self.same / total_same, self.different / total_different])
        targets = torch.cat(
            [
                ((total_same + 1) / (total_same + 2)).expand(len(self.same)),
                (1 / (total_different + 2)).expand(len(self.different)),
            ]
        )
        margins = (threshold - self.centres).repeat(2)
        scale = float(margins.abs().max())
        low, high = 0.0, 1e6 / scale if scale > 0 else 0.0
        for _ in range(80):
            middle = (low + high) / 2
            if float((weights * margins * (torch.sigmoid(middle * margins) - targets)).sum()) < 0:
                low = middle
            else:
                high = middle
        return low


@dataclass(frozen=True)
class AllPairs:
    """What the pairs of N embeddings tell."""

    curve: PairCurve
    histogram: Histogram
    loss: float
    recall_at_1: float
    """Share of the samples, of those whose identity has others, whose nearest neighbour is of the same identity."""
    same: float
    """The mean over same pairs of what the comparer tells of them, a distance or a probability; so `different`."""
    different: float


def all_pairs(embeddings: Tensor, identities: Tensor, comparer: Comparer) -> AllPairs | None:
    """Measure all pairs of embeddings (N, D) with identities (N,); None where there are not both kinds of pairs.

    Distances are computed twice, a chunk of rows at a time: first those of same pairs are kept, which are few, then
    those of different pairs are counted among them. So memory grows with N and the number of same pairs alone.
    """
    gathered, parts, nearest, low, high, sums, counts = [], [], [], torch.inf, -torch.inf, [0.0, 0.0], [0, 0]
    for rows, same, different, upper in _chunks(embeddings, identities, comparer):
        parts.append(torch.stack(comparer.loss_parts(rows, same, different)))
        for kind, mask in enumerate((same & upper, different & upper)):
            sums[kind] += float(comparer.figures_of(rows[mask]).sum())
            counts[kind] += int(mask.sum())
        gathered.append(rows[same & upper])
        known = rows[upper]
        if len(known):
            low, high = min(low, float(known.min())), max(high, float(known.max()))
        others = same | different  # all but the sample itself
        nearest.append(torch.where(same.any(1), same.gather(1, _argmin(rows, others)).squeeze(1).double(), torch.nan))
    if not all(counts):
        return None
    total = torch.stack(parts).sum(0)  # (2, K)
    values, numbers = torch.unique(torch.cat(gathered), return_counts=True)
    histogram_same = _binned(torch.cat(gathered), low, high)
    counted = _count_different(embeddings, identities, comparer, values, low, high)
    nearer, within, following, histogram_different = counted
    width = (high - low) / BINS
    return AllPairs(
        curve=PairCurve(values, numbers.cumsum(0), nearer, within, following, counts[1]),
        histogram=Histogram(
            low + width * (torch.arange(BINS, dtype=torch.float64) + 0.5), histogram_same, histogram_different
        ),
        loss=float((total[0] / total[1].clamp(min=1)).mean()),
        recall_at_1=float(torch.cat(nearest).nanmean()),
        same=sums[0] / counts[0],
        different=sums[1] / counts[1],
    )


def hardest_pairs(
    embeddings: Tensor, identities: Tensor, comparer: Comparer, count: int
) -> tuple[list[tuple[int, int, float]], list[tuple[int, int, float]]]:
    """Return the nearest different and the farthest same pairs as (sample, sample, distance), the hardest first.

    Each sample comes once at most in each list, else one odd image would fill it.
    """
    candidates: list[list[Tensor]] = [[], []]
    start = 0
    for rows, same, different, upper in _chunks(embeddings, identities, comparer):
        for kind, (mask, values) in enumerate(((different & upper, rows), (same & upper, -rows))):
            flat = values.masked_fill(~mask, torch.inf).ravel()
            best = flat.topk(min(CANDIDATES * count, len(flat)), largest=False)
            places = best.indices + start * len(embeddings)
            known = best.values.isfinite()
            candidates[kind].append(torch.stack([best.values[known].double(), places[known].double()]))
        start += len(rows)
    found: list[list[tuple[int, int, float]]] = []
    for kind, sign in ((0, 1), (1, -1)):
        values, places = torch.cat(candidates[kind], 1)
        chosen: list[tuple[int, int, float]] = []
        for number in values.argsort(stable=True).tolist():
            pair = divmod(int(places[number]), len(embeddings))
            if len(chosen) < count and not {*pair} & {sample for one in chosen for sample in one[:2]}:
                chosen.append((*pair, sign * float(values[number])))
        found.append(chosen)
    return found[0], found[1]


def _count_different(
    embeddings: Tensor, identities: Tensor, comparer: Comparer, values: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return per threshold the different pairs nearer and within, the next larger distance, and the histogram."""
    size = len(values)
    nearer, within = torch.zeros(size + 1, dtype=torch.int64), torch.zeros(size + 1, dtype=torch.int64)
    following = torch.cat([values[1:], values[-1:].new_full((1,), torch.inf)])
    bins = torch.zeros(BINS, dtype=torch.float64)
    for rows, _, different, upper in _chunks(embeddings, identities, comparer):
        found = rows[different & upper]
        first = torch.searchsorted(values, found)  # the first threshold that accepts it
        within += torch.bincount(first, minlength=size + 1)
        nearer += torch.bincount(torch.searchsorted(values, found, right=True), minlength=size + 1)
        beyond = first > 0
        following.scatter_reduce_(0, first[beyond] - 1, found[beyond], "amin")
        bins += _binned(found, low, high)
    following = torch.where(following.isinf(), values, following)
    return nearer.cumsum(0)[:-1], within.cumsum(0)[:-1], following, bins


def _chunks(
    embeddings: Tensor, identities: Tensor, comparer: Comparer
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Yield, for some rows at a time, distances to all samples, which are same, different, and each pair once."""
    count = len(embeddings)
    height = max(1, CHUNK // count)
    columns = torch.arange(count)
    for start in range(0, count, height):
        numbers = columns[start : start + height, None]
        equal = identities[start : start + height, None] == identities
        rows = comparer.distances(embeddings[start : start + height], embeddings)
        yield rows, equal & (columns != numbers), ~equal, columns > numbers


def _argmin(rows: Tensor, mask: Tensor) -> Tensor:
    return rows.masked_fill(~mask, torch.inf).argmin(1, keepdim=True)


def _binned(distances: Tensor, low: float, high: float) -> Tensor:
    """Return how many distances (N,) fall into each of the bins between `low` and `high`."""
    width = (high - low) / BINS or 1.0
    return torch.bincount(((distances - low) / width).long().clamp(0, BINS - 1), minlength=BINS).double()


def fold_accuracy(distances: Tensor, same: Tensor, folds: Tensor) -> tuple[float, float]:
    """Return mean accuracy over folds and its standard error, as Labeled Faces in the Wild is measured.

    `distances`, `same`, `folds` (M,) of given pairs. Each fold is answered with the threshold that answers most pairs
    of the other folds rightly (Huang et al. 2007, section 5); the standard error is the sample deviation over folds,
    divided by the square root of their number. Raises ValueError where there are fewer than two folds.
    """
    names = torch.unique(folds)
    if len(names) < 2:
        raise ValueError("pairs of at least two folds are needed: the threshold comes from the others")
    accuracies = []
    for name in names:
        here = folds == name
        threshold = _best_for(distances[~here], same[~here])
        accuracies.append(((distances[here] <= threshold) == same[here]).double().mean())
    found = torch.stack(accuracies)
    return float(found.mean()), float(found.std(correction=1) / len(found) ** 0.5)


def _best_for(distances: Tensor, same: Tensor) -> float:
    """Return the threshold, halfway between two distances, that answers most pairs rightly; of equals the smallest."""
    values, order = distances.sort()
    gain = torch.where(same[order], 1, -1).cumsum(0)  # right answers beyond those of accepting nothing
    last = torch.cat([values[1:] > values[:-1], torch.ones(1, dtype=torch.bool)])  # of equal distances
    best = int(gain.masked_fill(~last, -len(gain) - 1).argmax())
    if gain[best] <= 0:
        return float(values[0]) - 1.0  # accepting nothing is best
    following = values[best + 1] if best + 1 < len(values) else values[best]
    return float(values[best] + following) / 2


class Verification(Metric):
    """Everything that is measured on the embeddings of a split; `compute` returns figures by name.

    `loss`, `roc_auc`, `equal_error_rate`, `tar_at_far_0.01` and `tar_at_far_0.001` (true accepts at so many false
    ones), `recall_at_1`, `embedding_spread`, the means `same_distance` and `different_distance` (`same_probability` and
    `different_probability` where the comparer tells how probable it is that both are the same), and
    `verification_accuracy`: the mean of true accepts and true rejections, as if there were as many same as different
    pairs, at `threshold`; where that is None, at the best one for these pairs. No numbers without pairs of both kinds.
    """

    full_state_update = False
    embeddings: list[Tensor]
    identities: list[Tensor]
    indices: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("embeddings", "identities", "indices"):
            self.add_state(name, [], dist_reduce_fx="cat")
        self.comparer: Comparer | None = None
        """Set by the model: it may hold learned weights, which a metric must not own."""
        self.threshold: float | None = None
        self.found: AllPairs | None = None
        """What the last `compute` found."""

    def update(self, embeddings: Tensor, identities: Tensor, indices: Tensor) -> None:
        """Add embeddings (B, D), identities (B,) and the samples' numbers (B,)."""
        self.embeddings.append(embeddings.detach())
        self.identities.append(identities)
        self.indices.append(indices)

    def gathered(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return embeddings (N, D) in double precision, identities and indices (N,), on the CPU, by index.

        In one order however many processes they came from, and where sums of floats always come out the same.
        """
        indices, order = dim_zero_cat(self.indices).cpu().sort()
        return dim_zero_cat(self.embeddings).cpu()[order].double(), dim_zero_cat(self.identities).cpu()[order], indices

    def compute(self) -> dict[str, Tensor]:
        """Return the figures."""
        if self.comparer is None:
            raise RuntimeError("a Verification metric needs its comparer")
        embeddings, identities, _ = self.gathered()
        finite = bool(embeddings.isfinite().all())
        self.found = all_pairs(embeddings, identities, self.comparer) if finite else None
        figures: dict[str, float] = dict.fromkeys(names(self.comparer.figure), float("nan"))
        figures["embedding_spread"] = float(spread(embeddings))
        if self.found is not None:
            figures |= self._figures(self.found)
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in figures.items()}

    def _figures(self, found: AllPairs) -> dict[str, float]:
        assert self.comparer is not None
        curve, figure = found.curve, self.comparer.figure
        best = float((curve.true_accepts - curve.false_accepts).max() + 1) / 2
        return {
            "loss": found.loss,
            "roc_auc": curve.roc_auc(),
            "equal_error_rate": curve.equal_error_rate(),
            "verification_accuracy": best if self.threshold is None else self.accuracy(self.threshold),
            **{f"tar_at_far_{share:g}": curve.true_accepts_at(share) for share in FALSE_ACCEPTS},
            "recall_at_1": found.recall_at_1,
            f"same_{figure}": found.same,
            f"different_{figure}": found.different,
        }

    def accuracy(self, threshold: float) -> float:
        """Return the mean of true accepts and true rejections at a threshold."""
        assert self.comparer is not None
        embeddings, identities, _ = self.gathered()
        counts = torch.zeros(2, 2, dtype=torch.int64)
        for rows, same, different, upper in _chunks(embeddings, identities, self.comparer):
            accepted = rows <= threshold
            for kind, mask in enumerate((same & upper, different & upper)):
                counts[kind] += torch.stack([(accepted & mask).sum(), mask.sum()])
        shares = counts[:, 0].double() / counts[:, 1]
        return float(shares[0] + 1 - shares[1]) / 2


def names(figure: str) -> tuple[str, ...]:
    """Return the names of the figures that `Verification` computes, of pairs that are told by `figure`."""
    return (
        *("loss", "roc_auc", "equal_error_rate", "verification_accuracy"),
        *(f"tar_at_far_{share:g}" for share in FALSE_ACCEPTS),
        *("recall_at_1", "embedding_spread", f"same_{figure}", f"different_{figure}"),
    )


NAMES = names("distance")
"""Those of embeddings that are compared by their distance."""


class BatchPairs(Metric):
    """Means over training batches of `active_triplets`, `embedding_spread`, `same_distance`, `different_distance`."""

    full_state_update = False
    total: Tensor
    samples: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(4, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("samples", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, batch_figures: Tensor, size: int) -> None:
        """Add the four figures (4,) of a batch of `size` samples."""
        self.total += batch_figures.double() * size
        self.samples += size

    def compute(self) -> dict[str, Tensor]:
        """Return the means by name."""
        names = ("active_triplets", "embedding_spread", "same_distance", "different_distance")
        return dict(zip(names, (self.total / self.samples).float(), strict=True))


def spread(embeddings: Tensor) -> Tensor:
    """Return the root mean square distance of embeddings (N, D) from their mean: 0 where all are the same.

    Of embeddings of length one it is at most 1.
    """
    return (embeddings - embeddings.mean(0)).square().sum(-1).mean().sqrt()


def mean_distances(rows: Tensor, same: Tensor, different: Tensor) -> Tensor:
    """Return the mean (2,) of the distances (B, B) of same and of different pairs; zero where there are none."""
    return torch.stack([(rows * mask).sum() / mask.sum().clamp(min=1) for mask in (same, different)])


def roc_auc_of_cosine(features: Tensor, identities: Tensor) -> float:
    """Return the ROC area of the cosine of features (N, D), such as raw pixels, over all pairs."""
    found = all_pairs(torch.nn.functional.normalize(features.double(), dim=-1), identities, _Cosine())
    return float("nan") if found is None else found.curve.roc_auc()


def without_noise(rows: Tensor, longest: float) -> Tensor:
    """Cut the last digits of distances in double precision, in place: some 2^-40 of the `longest`.

    Pairs of equal embeddings then have equal distances, not the noise of a product of matrices, and ties count half.
    """
    coarse = 2.0**12 * max(longest, torch.finfo(rows.dtype).tiny)
    return rows.add_(coarse).sub_(coarse)


class _Cosine:
    """Vectors of length one compared by their direction; they cost nothing."""

    figure: Literal["distance"] = "distance"

    def figures_of(self, distances: Tensor) -> Tensor:
        return distances

    def distances(self, left: Tensor, right: Tensor) -> Tensor:
        return without_noise(1 - left @ right.T, 1.0)

    def loss_parts(self, rows: Tensor, same: Tensor, different: Tensor) -> tuple[Tensor, Tensor]:
        return rows.new_zeros(1), rows.new_ones(1)
