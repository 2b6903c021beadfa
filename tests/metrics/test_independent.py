"""Figures of a classifier against scikit-learn or by hand, on skewed, saturated, tied, tiny and incomplete input."""

from __future__ import annotations

import resource

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from src.metrics.classification import AveragePrecision, label_metrics

SEEDS = range(40)


def measured(scores, truth, *, several, parts=1):
    found = label_metrics(scores.shape[1], multilabel=several)
    for chunk in np.array_split(np.arange(len(scores)), min(parts, len(scores))):
        part, labels = torch.tensor(scores[chunk]), torch.tensor(truth[chunk])
        found.update(preds=part, target=labels, loss=torch.tensor(1.0), size=len(chunk))
    return {name: float(value) for name, value in found.compute().items()}


def drawn(seed, several):
    """Scores (N, K) in single precision and truth: few samples, rare classes, ties, and scores near 0 or 1."""
    random = np.random.default_rng(seed)
    count, classes = int(random.integers(1, 40)), int(random.integers(2, 9))
    shares = np.geomspace(0.7, 0.02, classes)
    logits = random.normal(size=(count, classes)) * random.choice([0.3, 3, 40]) + random.choice([-12, 0, 12])
    if several:
        truth = random.random((count, classes)) < shares
        scores = 1 / (1 + np.exp(-logits))
    else:
        truth = random.choice(classes, count, p=shares / shares.sum())
        scores = np.exp(logits - logits.max(1, keepdims=True))
        scores /= scores.sum(1, keepdims=True)
    if random.random() < 0.4:
        scores = scores.round(1)
    return scores.astype(np.float32), truth


@pytest.mark.parametrize("seed", SEEDS)
def test_figures_of_one_label_are_scikit_learns(seed):
    scores, truth = drawn(seed, several=False)
    found = measured(scores, truth, several=False, parts=1 + seed % 4)
    predicted, there = scores.argmax(1), np.unique(truth)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted))
    recall = reference.recall_score(truth, predicted, labels=there, average="macro", zero_division=0)
    assert found["balanced_accuracy"] == pytest.approx(recall)
    f1 = reference.f1_score(truth, predicted, labels=there, average="macro", zero_division=0)
    assert found["f1"] == pytest.approx(f1)
    if scores.shape[1] > 5:
        first = np.argsort(-scores, axis=1, kind="stable")[:, :5]
        assert found["top5_accuracy"] == pytest.approx((first == truth[:, None]).any(1).mean())


@pytest.mark.parametrize("seed", SEEDS)
def test_figures_of_several_labels_are_scikit_learns(seed):
    scores, truth = drawn(seed, several=True)
    found = measured(scores, truth, several=True, parts=1 + seed % 4)
    there = np.flatnonzero(truth.any(0))
    assert found["accuracy"] == pytest.approx(1 - reference.hamming_loss(truth, scores > 0.5))
    if not len(there):
        assert np.isnan([found["f1"], found["average_precision"]]).all()
        return
    f1 = np.mean([reference.f1_score(truth[:, k], scores[:, k] > 0.5, zero_division=0) for k in there])
    each = [reference.average_precision_score(truth[:, k], scores[:, k]) for k in there]
    assert found["f1"] == pytest.approx(f1)
    assert found["average_precision"] == pytest.approx(np.mean(each))


@pytest.mark.parametrize("shift", [-8, 8])
def test_average_precision_is_exact_where_all_scores_are_small_or_saturated(shift):
    random = np.random.default_rng(0)
    truth = random.random((2000, 1)) < 0.1
    scores = (1 / (1 + np.exp(-(random.normal(size=(2000, 1)) + shift + 3 * truth)))).astype(np.float32)
    exact = reference.average_precision_score(truth.ravel(), scores.ravel())
    assert measured(scores, truth, several=True, parts=7)["average_precision"] == pytest.approx(exact, abs=1e-6)


def test_a_class_without_images_lowers_no_mean():
    """Class 2 is predicted and never there: recalls 3/4 and 3/3; F1 of 0 is 6/7, of 1 it is 1."""
    scores = np.eye(3)[[0, 0, 0, 2, 1, 1, 1]]
    found = measured(scores, np.array([0, 0, 0, 0, 1, 1, 1]), several=False)
    assert found["balanced_accuracy"] == pytest.approx(0.875)
    assert found["f1"] == pytest.approx((6 / 7 + 1) / 2)
    several = measured(np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.1]]), np.array([[1, 0], [1, 0], [0, 0]]), several=True)
    assert (several["f1"], several["average_precision"]) == (1, 1)


def test_scores_that_are_no_numbers_are_wrong_answers_and_no_exception():
    scores = np.full((4, 6), np.nan, np.float32)
    one = measured(scores, np.arange(4), several=False)
    assert [one[name] for name in ("accuracy", "balanced_accuracy", "f1", "top5_accuracy")] == [0] * 4
    several = measured(scores, np.ones((4, 6), np.int64), several=True)
    assert (several["accuracy"], several["f1"]) == (0, 0)
    assert np.isnan(several["average_precision"])
    infinite = np.array([[np.inf], [0.5], [-np.inf]], np.float32)
    assert measured(infinite, np.array([[1], [1], [0]]), several=True)["average_precision"] == 1


def test_beyond_the_bound_every_second_image_is_kept_whatever_the_batches(caplog):
    caplog.set_level("INFO")
    random = np.random.default_rng(0)
    truth = random.random((1000, 2)) < 0.3
    scores = (random.random((1000, 2)) * 0.7 + 0.3 * truth).astype(np.float32)
    expected = np.mean([reference.average_precision_score(truth[::4, k], scores[::4, k]) for k in range(2)])
    for size in (1000, 64, 7):
        metric = AveragePrecision(most=600)
        for start in range(0, 1000, size):
            part = slice(start, start + size)
            metric.update(torch.tensor(scores[part]), torch.tensor(truth[part]))
            assert sum(kept.numel() for kept in metric.scores) <= 600
        assert float(metric.compute()) == pytest.approx(expected)
    assert "1 of 4 images" in caplog.text


def test_many_labels_are_counted_in_little_memory_under_deterministic_algorithms():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    torch.use_deterministic_algorithms(True)
    try:
        found = label_metrics(100, multilabel=True)
        for _ in range(4):
            scores = torch.rand(1000, 100)
            found.update(preds=scores, target=scores < 0.1, loss=torch.tensor(1.0), size=1000)
        found.compute()
        one = label_metrics(1000, multilabel=False)
        one.update(preds=torch.rand(4000, 1000), target=torch.arange(4000) % 1000, loss=torch.tensor(1.0), size=1)
        one.compute()
    finally:
        torch.use_deterministic_algorithms(False)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB
