"""Figures of verification against scikit-learn and loops, on skewed, collapsed, tied, tiny and one-sided input."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from src.metrics import verification
from src.metrics.verification import Verification, fold_accuracy, roc_auc_of_cosine
from src.models.comparison import LearnedComparer
from src.models.siamese import TripletComparer
from src.networks.comparison import ComparisonNetwork

SEEDS = range(20)
MARGIN = 0.2


def drawn(seed):
    """Embeddings (N, 3) and identities (N,): few samples, many of one person, some alone, ties, collapsed ones."""
    random = np.random.default_rng(seed)
    count, people = int(random.integers(1, 30)), int(random.integers(1, 7))
    shares = np.geomspace(1, 0.05, people)
    who = random.choice(people, count, p=shares / shares.sum())
    near = random.normal(size=(people, 3))[who] * random.choice([0.2, 2]) + random.normal(size=(count, 3))
    if random.random() < 0.4:
        near = near.round()  # of whole numbers many distances are equal
    if random.random() < 0.2:
        near = 1 + 1e-4 * near.round()  # saturated: all in nearly one place
    return near.astype(np.float32), who


def measured(embeddings, who, comparer, threshold=None):
    metric = Verification()
    metric.comparer, metric.threshold = comparer, threshold
    for part in torch.randperm(len(who), generator=torch.Generator().manual_seed(0)).split(4):
        metric.update(torch.tensor(embeddings)[part], torch.tensor(who)[part], part)
    return {name: float(value) for name, value in metric.compute().items()}


def expected(rows, who, threshold):
    """The figures of all pairs from the matrix of their distances (N, N), by definition."""
    pairs = list(itertools.combinations(range(len(who)), 2))
    distances = np.array([rows[pair] for pair in pairs])
    same = np.array([who[i] == who[j] for i, j in pairs])
    false, true, _ = reference.roc_curve(same, -distances, drop_intermediate=False)
    answers = [distances <= bound for bound in (distances if threshold is None else [threshold])]
    alike = who[:, None] == who
    np.fill_diagonal(alike, False)
    others = rows + np.where(np.eye(len(who), dtype=bool), np.inf, 0)
    return {
        "roc_auc": reference.roc_auc_score(same, -distances),
        "equal_error_rate": np.interp(0, false + true - 1, false),
        "verification_accuracy": max((answer[same].mean() + 1 - answer[~same].mean()) / 2 for answer in answers),
        "tar_at_far_0.01": true[false <= 0.01].max(),
        "tar_at_far_0.001": true[false <= 0.001].max(),
        "recall_at_1": alike[np.arange(len(who)), others.argmin(1)][alike.any(1)].mean(),
    }, (distances, same)


@pytest.fixture(autouse=True)
def few_pairs_at_once(monkeypatch):
    monkeypatch.setattr(verification, "CHUNK", 64)


def has_both(who):
    return 1 < len(set(who)) < len(who)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("threshold", [None, 0.7])
def test_figures_of_distances_are_scikit_learns(seed, threshold):
    embeddings, who = drawn(seed)
    found = measured(embeddings, who, TripletComparer(MARGIN, "squared_euclidean"), threshold)
    wide = embeddings.astype(np.float64)
    spread = np.sqrt(((wide - wide.mean(0)) ** 2).sum(1).mean())
    assert found.pop("embedding_spread") == pytest.approx(spread, abs=1e-12)
    if not has_both(who):
        assert np.isnan(list(found.values())).all()
        return
    rows = ((wide[:, None] - wide) ** 2).sum(-1).round(11)
    figures, (distances, same) = expected(rows, who, threshold)
    figures |= {"same_distance": distances[same].mean(), "different_distance": distances[~same].mean()}
    losses = [
        max(0.0, rows[a, p] - rows[a, n] + MARGIN)
        for a, p, n in itertools.permutations(range(len(who)), 3)
        if who[a] == who[p] != who[n]
    ]
    assert found == pytest.approx(figures | {"loss": np.mean(losses)}, abs=1e-7)


@pytest.mark.parametrize("seed", SEEDS)
def test_figures_of_learned_probabilities_are_scikit_learns(seed):
    embeddings, who = drawn(seed)
    torch.manual_seed(seed)
    network = ComparisonNetwork(3, 4, scale=1.0)
    found = measured(embeddings, who, LearnedComparer(network))
    found.pop("embedding_spread")
    if not has_both(who):
        assert np.isnan(list(found.values())).all()
        return
    with torch.no_grad():
        logits = network(torch.tensor(embeddings), torch.tensor(embeddings)).double().numpy()
    figures, (distances, same) = expected(-logits, who, None)
    probabilities = 1 / (1 + np.exp(distances))
    figures |= {"same_probability": probabilities[same].mean(), "different_probability": probabilities[~same].mean()}
    figures["loss"] = (-np.log(probabilities[same]).mean() - np.log(1 - probabilities[~same]).mean()) / 2
    assert found == pytest.approx(figures, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_baseline_of_raw_pixels_is_scikit_learns(seed):
    random = np.random.default_rng(seed)
    _, who = drawn(seed)
    pixels = random.integers(0, 4, (len(who), 5)).astype(np.float32)
    pixels[random.random(len(who)) < 0.2] = 0  # black images have no direction
    found = roc_auc_of_cosine(torch.tensor(pixels), torch.tensor(who))
    if not has_both(who):
        assert math.isnan(found)
        return
    lengths = np.maximum(np.linalg.norm(pixels.astype(np.float64), axis=1), 1e-12)
    rows = (1 - (pixels / lengths[:, None]) @ (pixels / lengths[:, None]).T).round(9)
    assert found == pytest.approx(expected(rows, who, None)[0]["roc_auc"], abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_accuracy_over_folds_is_that_of_trying_every_threshold(seed):
    random = np.random.default_rng(seed)
    count, folds = int(random.integers(2, 40)), int(random.integers(2, 5))
    fold = np.concatenate([np.arange(2), random.integers(0, folds, count - 2)])
    same = random.random(count) < random.choice([0.0, 0.1, 0.5, 1.0])
    distances = random.normal(size=count) - same
    if random.random() < 0.5:
        distances = distances.round()
    accuracies = []
    for name in np.unique(fold):
        here = fold == name
        values = np.unique(distances[~here])
        tried = [values[0] - 1.0, *(values + np.append(values[1:], values[-1])) / 2]
        best = max(tried, key=lambda bound: ((distances[~here] <= bound) == same[~here]).sum())  # the first of equals
        accuracies.append(((distances[here] <= best) == same[here]).mean())
    found = fold_accuracy(*map(torch.tensor, (distances, same, fold)))
    error = np.std(accuracies, ddof=1) / np.sqrt(len(accuracies))
    assert found == pytest.approx((np.mean(accuracies), error), abs=1e-12)
