"""Which samples are worth a look, on answers small enough to order by hand."""

from __future__ import annotations

import numpy as np

from src.metrics.extremes import boxes_by_fit, mistakes, mistakes_of_several, surest_right, wrong_about_nothing

PROBABILITIES = np.array([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.4, 0.5, 0.1]])
LABELS = np.array([0, 2, 0, 0, 1])


def test_mistakes_begin_with_the_least_probability_on_the_truth():
    assert mistakes(PROBABILITIES, LABELS).tolist() == [2, 1]  # 0.1 and 0.3 on what is true


def test_the_surest_right_answer_of_each_class_that_has_one():
    assert surest_right(PROBABILITIES, LABELS).tolist() == [0, 4]  # class 2 is never right


def test_of_several_labels_the_worst_single_error_counts():
    truth = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 0]], bool)
    places, classes = mistakes_of_several(PROBABILITIES, truth)
    # sample 2 finds class 2 at 0.7; sample 1 misses it at 0.3, as far from the truth; sample 4 misses class 0 at 0.4
    assert sorted(places.tolist()[:2]) == [1, 2]
    assert places.tolist()[2:] == [4]
    assert dict(zip(places.tolist(), classes.tolist(), strict=True)) == {2: 2, 1: 2, 4: 0}


def test_boxes_of_objects_are_ordered_by_fit():
    assert boxes_by_fit(np.array([0.0, 0.9, 0.2, 0.5]), np.array([0, 1, 2, 1])).tolist() == [2, 3, 1]


def test_wrong_about_nothing_is_seen_where_there_is_none_or_missed():
    # 2 and 1 are wrong; of these only 2 (truly nothing) and of label 1 none predicted as 0
    assert wrong_about_nothing(PROBABILITIES, LABELS).tolist() == [2]
