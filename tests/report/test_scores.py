import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_fscore_support
from sklearn.metrics import confusion_matrix as reference_confusion

from src.metrics.average_precision import average_precision
from src.report.scores import class_scores, confusion_matrix


def one_hot(indices, count):
    return np.eye(count, dtype=bool)[indices]


def test_scores_equal_those_worked_out_by_hand():
    labels, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 2])
    assert confusion_matrix(labels, predicted, 3).tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    scores = class_scores(one_hot(labels, 3), one_hot(predicted, 3), np.zeros((6, 3), np.float32))
    assert scores.precision == pytest.approx([1, 1 / 2, 1 / 2])
    assert scores.recall == pytest.approx([2 / 3, 1 / 2, 1])
    assert scores.f1 == pytest.approx([4 / 5, 1 / 2, 2 / 3])
    assert scores.support.tolist() == [3, 2, 1]


def test_average_precision_equals_that_worked_out_by_hand():
    scores = np.array([0.9, 0.8, 0.7, 0.1], np.float32)
    # Recall steps by a half at ranks 1 and 3, with precision 1 and 2/3.
    assert average_precision(np.array([True, False, True, False]), scores) == pytest.approx(1 / 2 + 1 / 3)
    assert np.isnan(average_precision(np.zeros(4, bool), scores))


def test_scores_equal_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(7), 400).astype(np.float32).round(2)  # rounded: many ties
    labels, predicted = rng.integers(0, 7, 400), probabilities.argmax(axis=1)
    scores = class_scores(one_hot(labels, 7), one_hot(predicted, 7), probabilities)
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=range(7))
    assert scores.precision == pytest.approx(precision)
    assert scores.recall == pytest.approx(recall)
    assert scores.f1 == pytest.approx(f1)
    assert scores.support.tolist() == support.tolist()
    assert confusion_matrix(labels, predicted, 7).tolist() == reference_confusion(labels, predicted).tolist()
    assert scores.average_precision == pytest.approx(
        average_precision_score(one_hot(labels, 7), probabilities, average=None)
    )


def test_a_class_without_samples_has_no_recall_and_one_never_predicted_no_precision():
    labels, predicted = np.array([0, 0, 1]), np.array([0, 0, 0])
    scores = class_scores(one_hot(labels, 3), one_hot(predicted, 3), np.zeros((3, 3), np.float32))
    assert scores.precision[:2] == pytest.approx([2 / 3, 0])
    assert np.isnan([scores.precision[2], scores.recall[2], scores.f1[2], scores.average_precision[2]]).all()
