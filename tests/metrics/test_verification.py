"""Measures of verification against scikit-learn, by hand, and by loops over all pairs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve
from torch.nn import functional as F

from src.metrics import verification
from src.metrics.verification import (
    NAMES,
    PairCurve,
    Verification,
    all_pairs,
    fold_accuracy,
    hardest_pairs,
    roc_auc_of_cosine,
    spread,
)
from src.models.siamese import TripletComparer

COMPARER = TripletComparer(margin=0.2, distance="squared_euclidean")


class Exact(TripletComparer):
    """Differences squared and summed: whole numbers stay whole, so that ties are ties."""

    def distances(self, left, right):
        return (left[:, None] - right).square().sum(-1)


def people(seed: int = 0, count: int = 6, images: int = 5, noise: float = 0.8, dim: int = 4):
    """Return embeddings that are like those of their identity, more or less; the last identity has one image."""
    random = torch.Generator().manual_seed(seed)
    centres = torch.randn(count, dim, generator=random, dtype=torch.float64)
    identities = torch.arange(count * images) // images
    embeddings = centres[identities] + noise * torch.randn(count * images, dim, generator=random, dtype=torch.float64)
    keep = slice(0, count * images - images + 1)
    return F.normalize(embeddings, dim=1)[keep], identities[keep]


def pairs_of(embeddings, identities):
    """Return the distance of every pair and whether it is of the same identity, by loops."""
    pairs = list(itertools.combinations(range(len(identities)), 2))
    distances = np.array([float(((embeddings[i] - embeddings[j]) ** 2).sum()) for i, j in pairs])
    return distances, np.array([bool(identities[i] == identities[j]) for i, j in pairs])


@pytest.fixture(params=[2**22, 100], ids=["one chunk", "many chunks"])
def chunks(request, monkeypatch):
    monkeypatch.setattr(verification, "CHUNK", request.param)


@pytest.mark.parametrize("rounded", [False, True], ids=["distinct", "ties"])
def test_the_roc_curve_is_scikit_learns(chunks, rounded):
    embeddings, identities = people()
    if rounded:
        embeddings = (embeddings * 2).round()  # many distances are equal
    found = all_pairs(embeddings, identities, Exact(0.2, "squared_euclidean")).curve
    distances, same = pairs_of(embeddings, identities)
    assert found.roc_auc() == pytest.approx(roc_auc_score(same, -distances), abs=1e-12)
    false, true, _ = roc_curve(same, -distances, drop_intermediate=False)
    error = np.interp(0, false + true - 1, false)  # where false accepts equal false rejections
    assert found.equal_error_rate() == pytest.approx(error, abs=1e-12)
    for share in (0.01, 0.1, 0.5):
        assert found.true_accepts_at(share) == pytest.approx(true[false <= share].max(), abs=1e-12)


def test_the_threshold_is_the_best_of_all(chunks):
    embeddings, identities = people(1)
    curve = all_pairs(embeddings, identities, COMPARER).curve
    distances, same = pairs_of(embeddings, identities)

    def accuracy(threshold):
        accepted = distances <= threshold
        return (accepted[same].mean() + 1 - accepted[~same].mean()) / 2

    best = max(accuracy(threshold) for threshold in distances)
    assert accuracy(curve.best_threshold()) == pytest.approx(best, abs=1e-12)
    assert curve.best_threshold() not in distances  # halfway between two of them


def test_a_curve_by_hand():
    """Same pairs at 1, 2 and 2; different ones at 2, 3, 4, 5.

    The same pair at 1 is nearer than all four, those at 2 than three and a half: 11 of 12. At 2 all same and one of the
    four different pairs are accepted; of false accepts x = 1/4 t and false rejections 2/3 (1 - t) on the way there the
    equal ones are at t = 8/11.
    """
    curve = PairCurve(
        thresholds=torch.tensor([1.0, 2.0]), same=torch.tensor([1, 3]), nearer=torch.tensor([0, 0]),
        within=torch.tensor([0, 1]), following=torch.tensor([2.0, 3.0]), different=4,
    )  # fmt: skip
    assert curve.roc_auc() == pytest.approx(11 / 12)
    assert curve.equal_error_rate() == pytest.approx(2 / 11)
    assert curve.true_accepts_at(0.01) == pytest.approx(1 / 3)
    assert curve.true_accepts_at(0.25) == 1
    assert curve.best_threshold() == 2.5


def test_the_loss_is_the_mean_over_all_triplets(chunks):
    embeddings, identities = people(2)
    squares = ((embeddings[:, None] - embeddings) ** 2).sum(-1)
    losses = [
        max(0.0, float(squares[a, p] - squares[a, n]) + 0.2)
        for a, p, n in itertools.product(range(len(identities)), repeat=3)
        if a != p and identities[a] == identities[p] and identities[a] != identities[n]
    ]
    assert all_pairs(embeddings, identities, COMPARER).loss == pytest.approx(np.mean(losses), abs=1e-12)


def test_recall_at_1_asks_only_those_who_are_not_alone(chunks):
    embeddings, identities = people(3)
    distances = ((embeddings[:, None] - embeddings) ** 2).sum(-1).fill_diagonal_(np.inf)
    right = identities[distances.argmin(1)] == identities
    expected = right[:-1].double().mean()  # the last is the only one of its identity
    assert 0 < float(expected) < 1
    assert all_pairs(embeddings, identities, COMPARER).recall_at_1 == pytest.approx(float(expected), abs=1e-12)


def test_pairs_are_counted_once_in_the_histograms(chunks):
    embeddings, identities = people(4)
    histogram = all_pairs(embeddings, identities, COMPARER).histogram
    _, same = pairs_of(embeddings, identities)
    assert histogram.same.sum() == same.sum()
    assert histogram.different.sum() == (~same).sum()


def test_the_slope_is_that_of_a_logistic_regression_through_the_threshold():
    embeddings, identities = people(5, count=20, images=6)
    found = all_pairs(embeddings, identities, COMPARER)
    threshold = found.curve.best_threshold()
    distances, same = pairs_of(embeddings, identities)
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1e6, fit_intercept=False, class_weight="balanced", tol=1e-8)
    fitted.fit((threshold - distances)[:, None], same)
    assert found.histogram.slope_at(threshold) == pytest.approx(float(fitted.coef_[0, 0]), rel=0.03)


def test_distances_that_say_nothing_have_no_slope():
    random = torch.Generator().manual_seed(0)
    embeddings = torch.zeros(12, 2, dtype=torch.float64)
    found = all_pairs(embeddings, torch.arange(12) // 3, COMPARER)
    assert found.histogram.slope_at(found.curve.best_threshold()) == 0
    backwards = torch.randn(12, 1, generator=random, dtype=torch.float64).sort(0).values
    found = all_pairs(backwards, torch.arange(12) % 2, COMPARER)
    assert found.histogram.slope_at(0.0) == 0


def metric_of(embeddings, identities, order, **attributes):
    metric = Verification()
    metric.comparer = COMPARER
    for name, value in attributes.items():
        setattr(metric, name, value)
    for part in torch.split(order, 7):
        metric.update(embeddings[part].float(), identities[part], part)
    return metric.compute()


def test_figures_do_not_depend_on_batches_or_order():
    embeddings, identities = people(6)
    one = metric_of(embeddings, identities, torch.arange(len(identities)))
    other = metric_of(embeddings, identities, torch.randperm(len(identities)))
    assert list(one) == list(other)
    assert set(one) == set(NAMES)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_accuracy_is_measured_at_the_threshold_that_is_given():
    embeddings, identities = people(7)
    distances, same = pairs_of(embeddings.float().double(), identities)
    found = metric_of(embeddings, identities, torch.arange(len(identities)), threshold=0.5)["verification_accuracy"]
    accepted = distances <= 0.5
    assert float(found) == pytest.approx((accepted[same].mean() + 1 - accepted[~same].mean()) / 2, abs=1e-12)


def test_a_split_without_pairs_of_both_kinds_has_no_figures():
    embeddings, _ = people()
    for identities in (torch.zeros(len(embeddings)), torch.arange(len(embeddings))):
        found = metric_of(embeddings, identities, torch.arange(len(embeddings)))
        assert found["roc_auc"].isnan()
        assert found["embedding_spread"] > 0


def test_ten_folds_by_hand():
    """Three folds of two pairs. Others of fold 0: same 1 and 5, different 4 and 6: three right at 2.5 (or at 5.5).

    The smallest of the best is taken: fold 0 has same 2 and different 3, both right. Others of fold 1: same 2 and 5,
    different 3 and 6: three right at 2.5: same 1 and different 4 are right. Others of fold 2: same 2 and 1, different 3
    and 4, all right at 2.5: same 5 is wrong, different 6 is right. So 1, 1 and 1/2: mean 5/6, deviation 1/sqrt(12).
    """
    distances = torch.tensor([2.0, 3, 1, 4, 5, 6], dtype=torch.float64)
    same = torch.tensor([True, False] * 3)
    accuracy, error = fold_accuracy(distances, same, torch.tensor([0, 0, 1, 1, 2, 2]))
    assert accuracy == pytest.approx(5 / 6)
    assert error == pytest.approx((1 / 12) ** 0.5 / 3**0.5)


def test_one_fold_has_no_others():
    with pytest.raises(ValueError, match="two folds"):
        fold_accuracy(torch.rand(4), torch.ones(4) > 0, torch.zeros(4))


def test_hardest_pairs_show_each_image_once():
    embeddings = torch.tensor([[0.0], [0.1], [5.0], [5.3], [9.0], [9.05]], dtype=torch.float64)
    identities = torch.tensor([0, 1, 0, 1, 2, 2])
    nearest, farthest = hardest_pairs(embeddings, identities, COMPARER, 5)
    assert [pair[:2] for pair in nearest] == [(0, 1), (2, 3)]
    assert [round(distance, 6) for *_, distance in nearest] == [0.01, 0.09]
    assert [pair[:2] for pair in farthest] == [(1, 3), (0, 2), (4, 5)]
    assert [round(distance, 4) for *_, distance in farthest] == [27.04, 25.0, 0.0025]


def test_raw_pixels_are_compared_by_their_cosine():
    random = torch.Generator().manual_seed(1)
    pixels = torch.rand(20, 12, generator=random)
    identities = torch.arange(20) // 4
    cosine = F.cosine_similarity(pixels[:, None].double(), pixels.double(), dim=-1)
    upper = torch.triu(torch.ones(20, 20), 1) > 0
    same = (identities[:, None] == identities)[upper]
    expected = roc_auc_score(same.numpy(), cosine[upper].numpy())
    assert roc_auc_of_cosine(pixels, identities) == pytest.approx(expected, abs=1e-12)


def test_spread_is_zero_for_collapsed_and_one_for_opposite_embeddings():
    assert float(spread(torch.ones(5, 3))) == 0
    assert float(spread(torch.tensor([[1.0, 0], [-1, 0]]))) == 1


def test_pairs_of_equal_embeddings_are_ties():
    embeddings, _ = people(8, noise=2.0)
    copies = embeddings[torch.randint(0, 8, (40,), generator=torch.Generator().manual_seed(0))]
    identities = torch.arange(40) // 4
    distances, same = pairs_of(copies, identities)
    found = all_pairs(copies, identities, COMPARER).curve
    assert found.roc_auc() == pytest.approx(roc_auc_score(same, -distances.round(9)), abs=1e-12)
    collapsed = all_pairs(copies[:1].repeat(40, 1), identities, COMPARER)
    assert (collapsed.curve.roc_auc(), collapsed.curve.equal_error_rate()) == (0.5, 0.5)
