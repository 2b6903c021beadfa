"""Figures of classifiers, by hand and against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score

from src.metrics.classification import AveragePrecision, MeanLoss, label_metrics


def measured(metrics, batches):
    for scores, labels, loss in batches:
        metrics.update(preds=scores, target=labels, loss=torch.tensor(loss), size=len(labels))
    return {key: float(value) for key, value in metrics.compute().items()}


def test_the_mean_loss_counts_samples_and_not_batches():
    loss = MeanLoss()
    loss.update(torch.tensor(1.0), 3)
    loss.update(torch.tensor(5.0), 1)
    assert float(loss.compute()) == 2.0


def test_a_perfect_first_batch_does_not_join_top_1_and_top_5():
    scores = torch.eye(10)
    first = (scores[:4], torch.arange(4), 0.0)
    second = (scores[:4] * 2 + scores[4:8], torch.arange(4, 8), 1.0)  # the right class is second
    found = measured(label_metrics(10, multilabel=False).clone(prefix="test/"), [first, second])
    assert found["test/accuracy"] == 0.5
    assert found["test/top5_accuracy"] == 1.0
    assert found["test/loss"] == 0.5


@pytest.mark.parametrize("classes", [2, 5, 7])
def test_figures_equal_scikit_learn(classes):
    random = np.random.default_rng(classes)
    labels = random.integers(0, classes, 200)
    scores = random.random((200, classes)) + 0.7 * np.eye(classes)[labels]
    batches = [(torch.tensor(scores[i::4]), torch.tensor(labels[i::4]), 0.0) for i in range(4)]
    found = measured(label_metrics(classes, multilabel=False), batches)
    predicted = scores.argmax(1)
    assert found["accuracy"] == pytest.approx((predicted == labels).mean())
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert found["f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))


def test_several_labels_equal_scikit_learn():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (100, 4))
    scores = np.clip(random.random((100, 4)) * 0.6 + 0.3 * labels, 0, 1)
    found = measured(label_metrics(4, multilabel=True), [(torch.tensor(scores), torch.tensor(labels), 0.0)])
    assert found["accuracy"] == pytest.approx(((scores > 0.5) == labels).mean())
    assert found["f1"] == pytest.approx(f1_score(labels, scores > 0.5, average="macro"))


def test_average_precision_of_no_image_at_all_is_no_number():
    assert AveragePrecision().compute().isnan()
