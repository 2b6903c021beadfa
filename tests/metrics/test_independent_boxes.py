"""Figures of localization against scikit-learn and torchvision, on skewed, tiny and incomplete input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torchvision.ops import box_iou

from src.metrics.localization import localization_metrics


def drawn_boxes(random, count):
    """Corners (N, 4) in thirds of the image, so that many fit exactly, half or not at all; some are empty."""
    return np.sort(random.integers(0, 4, (count, 2, 2)), axis=1).reshape(-1, 4) / 3


@pytest.mark.parametrize("seed", range(40))
def test_figures_of_boxes_are_scikit_learns_and_torchvisions(seed):
    random = np.random.default_rng(seed)
    count, classes = int(random.integers(1, 30)), int(random.integers(2, 6))
    shares = np.geomspace(1, 0.05, classes)[:: random.choice([-1, 1])]
    truth = random.choice(classes, count, p=shares / shares.sum())
    logits = (random.normal(size=(count, classes)) + 2 * np.eye(classes)[truth]) * random.choice([0.5, 60])
    scores = torch.tensor(logits.round() if seed % 3 == 0 else logits, dtype=torch.float32).softmax(1)
    boxes, true = drawn_boxes(random, count), drawn_boxes(random, count)
    true = np.where(random.random((count, 1)) < 0.3, boxes, true) * (truth > 0)[:, None]
    means, names = drawn_boxes(random, classes), ["nothing", *(f"c{k}" for k in range(1, classes))]

    metrics = localization_metrics(names, nothing=True, by_class=True, mean_boxes=means.tolist())
    for part in np.array_split(np.arange(count), min(count, 1 + seed % 4)):
        metrics.update(
            preds=scores[part], target=torch.tensor(truth[part]), boxes=torch.tensor(boxes[part]),
            true_boxes=torch.tensor(true[part]), loss=torch.tensor(float(part[0])), size=len(part),
        )  # fmt: skip
    found = {name: float(value) for name, value in metrics.compute().items()}

    answer, shown, empty = scores.numpy().argmax(1), truth > 0, truth == 0
    fit, of_mean = (overlaps(box, true) for box in (boxes, means[truth]))
    right = [((answer == truth) & (empty | (fit >= bound / 100))).mean() for bound in range(50, 100, 5)]
    losses = [part[0] for part in np.array_split(np.arange(count), min(count, 1 + seed % 4)) for _ in part]
    expected = {
        "loss": np.mean(losses),
        "accuracy": reference.accuracy_score(truth, answer),
        "nothing_recall": (answer[empty] == 0).mean() if empty.any() else np.nan,
        "mean_iou": fit[shown].mean() if shown.any() else np.nan,
        "baseline/mean_box_iou": of_mean[shown].mean() if shown.any() else np.nan,
        "localization_accuracy": right[0] if shown.any() else np.nan,
        "localization_error": 1 - right[0] if shown.any() else np.nan,
        "mean_localization_accuracy": np.mean(right) if shown.any() else np.nan,
    }
    for k in set(truth[shown].tolist()):
        expected[f"mean_iou_c{k}"] = fit[truth == k].mean()
        expected[f"baseline/mean_box_iou_c{k}"] = of_mean[truth == k].mean()
    assert found == pytest.approx(expected, abs=1e-6, nan_ok=True)


def overlaps(boxes, others):
    """IoU of each box with its other; 0 where both are empty, of which torchvision knows no answer."""
    return box_iou(torch.tensor(boxes), torch.tensor(others)).diagonal().nan_to_num().numpy()
