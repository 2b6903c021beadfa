"""What mining triplets and evaluating embeddings cost, beside pytorch-metric-learning (python -m benchmarks.mining)."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.measure import Quartiles, paired, ratios, table
from src.losses.triplet import Mining, triplet_loss
from src.metrics.verification import Verification
from src.models.siamese import TripletComparer

COUNT, DIMENSIONS, IMAGES_EACH, MARGIN = 1024, 128, 4, 0.2
ROUNDS = 5
KINDS: tuple[Mining, ...] = ("hard", "semi_hard", "all")


def embeddings(count: int = COUNT) -> tuple[Tensor, Tensor]:
    """Return embeddings of length one (N, D) that lie around one centre per identity, and identities (N,)."""
    random = torch.Generator().manual_seed(0)
    identities = torch.arange(count) // IMAGES_EACH
    centres = torch.randn(count // IMAGES_EACH, DIMENSIONS, generator=random)
    scattered = centres[identities] + torch.randn(count, DIMENSIONS, generator=random)
    return torch.nn.functional.normalize(scattered, dim=-1), identities


def milliseconds(work: Callable[[], Any]) -> float:
    """Return the time of a call."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def with_gradient(loss_of: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], float]:
    """Return a measurement of a loss and its gradient."""
    values, identities = embeddings()

    def work() -> None:
        leaf = values.clone().requires_grad_()
        loss_of(leaf, identities).backward()

    return partial(milliseconds, work)


def our_loss(mining: Mining) -> Callable[[Tensor, Tensor], Tensor]:
    """Return our loss with squared Euclidean distances."""
    return lambda values, identities: (
        triplet_loss(values, identities, margin=MARGIN, distance="squared_euclidean", mining=mining).loss
    )


def their_loss(mining: Mining) -> Callable[[Tensor, Tensor], Tensor]:
    """Return pytorch-metric-learning's loss of the same triplets."""
    from pytorch_metric_learning import distances, losses, miners

    squared = distances.LpDistance(normalize_embeddings=False, p=2, power=2)
    loss = losses.TripletMarginLoss(margin=MARGIN, distance=squared)
    miner = {
        "all": None,
        "hard": miners.BatchHardMiner(distance=squared),
        "semi_hard": miners.TripletMarginMiner(margin=MARGIN, distance=squared, type_of_triplets="semihard"),
    }[mining]

    def found(values: Tensor, identities: Tensor) -> Tensor:
        result: Tensor = loss(values, identities, miner(values, identities) if miner else None)
        return result

    return found


def our_evaluation() -> Callable[[], float]:
    """Return a measurement of everything that a split of embeddings is measured by: all pairs, exactly."""
    values, identities = embeddings()

    def work() -> None:
        metric = Verification()
        metric.comparer = TripletComparer(MARGIN, "squared_euclidean")
        metric.update(values, identities, torch.arange(len(values)))
        metric.compute()

    return partial(milliseconds, work)


def their_evaluation() -> Callable[[], float]:
    """Return a measurement of their accuracies of nearest neighbours; they know no ROC curve of pairs."""
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    values, identities = embeddings()
    wanted = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
    calculator = AccuracyCalculator(
        include=wanted, k=None, device=torch.device("cpu"), knn_func=CustomKNN(LpDistance())
    )
    return partial(milliseconds, lambda: calculator.get_accuracy(values, identities))


def main() -> str:
    """Return the section."""
    rows = []
    for name, ours, theirs in [
        *((f"mining `{kind}`, loss and gradient", our_loss(kind), their_loss(kind)) for kind in KINDS),
        ("evaluation", None, None),
    ]:
        candidates = {
            "ours": with_gradient(ours) if ours else our_evaluation(),
            "theirs": with_gradient(theirs) if theirs else their_evaluation(),
        }
        found = paired(candidates, ROUNDS)
        shown = [Quartiles.of(found[who]).shown(".1f") for who in candidates]
        rows.append([name, *shown, ratios(found, "ours", "theirs").shown(".2f")])
    what = f"{COUNT} embeddings of {DIMENSIONS} numbers, {IMAGES_EACH} of each identity"
    return "\n".join(
        [
            "## Mining and evaluating embeddings\n",
            table((what, "ours, ms", "pytorch-metric-learning, ms", "ours / theirs"), rows),
            f"\nMedians (quartiles) of {ROUNDS} rounds. Our evaluation is ROC area, equal error rate, accepts at given "
            "false accepts, the loss of all triplets and recall at 1 over all pairs; theirs precision at 1, "
            "R-precision and MAP@R.",
        ]
    )


if __name__ == "__main__":
    print(main())
