"""The classifier's losses and predictions, by hand."""

from __future__ import annotations

import functools
import math

import pytest
import torch
from torch import nn

from src.data.spec import DataSpec
from src.errors import UserError
from src.models.classifier import Classifier, weights_of_classes
from src.models.schedules import constant


def spec(classes=("a", "b", "c"), counts=(6, 3, 1), *, multilabel=False, samples=10):
    return DataSpec(
        targets=("label",), classes=classes, channels=1, image_size=8, eval_crop=1.0, mean=(0.0,), std=(1.0,),
        multilabel=multilabel, num_keypoints=0, class_counts=counts, train_samples=samples, digest="",
    )  # fmt: skip


def classifier(network=None, data=None, **overrides):
    options = {
        "label_smoothing": 0.0, "class_weights": None, "aux_weight": 0.3, "test_time_flip": False,
        "source": None, "trainable": "all", "layer_lr_decay": 1.0,
        "decay_norm_and_bias": False, "channels_last": False, "compile": False, "monitor": "val/accuracy",
        "monitor_mode": "max", "seed": 0, "optimizer": functools.partial(torch.optim.SGD, lr=0.1),
        "scheduler": functools.partial(constant, warmup_epochs=0),
    }  # fmt: skip
    return Classifier(network=network or nn.Linear(1, 1), spec=data or spec(), **options | overrides)


def test_label_smoothing_by_hand():
    """Logits 0, 0, log 2: probabilities 1/4, 1/4, 1/2; smoothing 0.3 over three classes gives 0.8 and 0.1 twice."""
    logits, label = torch.tensor([[0.0, 0.0, math.log(2)]]), torch.tensor([2])
    model = classifier(label_smoothing=0.3)
    expected = -0.8 * math.log(1 / 2) - 0.2 * math.log(1 / 4)
    assert float(model.criterion(logits, label)) == pytest.approx(expected)
    assert float(model.eval().criterion(logits, label)) == pytest.approx(math.log(2))  # only training is smoothed


def test_label_smoothing_of_several_labels_by_hand():
    logits, label = torch.tensor([[math.log(3), 0.0]]), torch.tensor([[1.0, 0.0]])  # probabilities 3/4 and 1/2
    model = classifier(data=spec(("a", "b"), (1, 1), multilabel=True), label_smoothing=0.2)
    expected = (-0.9 * math.log(3 / 4) - 0.1 * math.log(1 / 4) + math.log(2)) / 2
    assert float(model.criterion(logits, label)) == pytest.approx(expected)


def test_balanced_weights_by_hand():
    assert weights_of_classes("balanced", spec()).tolist() == pytest.approx([10 / 18, 10 / 9, 10 / 3])
    several = spec(("a", "b"), (8, 2), multilabel=True)
    assert weights_of_classes("balanced", several).tolist() == pytest.approx([2 / 8, 8 / 2])


def test_wrong_class_weights_are_messages():
    with pytest.raises(UserError, match="2 values for 3 classes"):
        weights_of_classes([1.0, 2.0], spec())
    with pytest.raises(UserError, match="no training image of class b"):
        weights_of_classes("balanced", spec(counts=(5, 0, 5)))
    for weights in ([0.0, 0.0, 0.0], [1.0, math.inf, 1.0], [1.0, math.nan, 1.0]):
        with pytest.raises(UserError, match="finite numbers, at least one of them above 0"):
            weights_of_classes(weights, spec())


def test_a_label_that_every_image_has_weighs_one_and_is_named(caplog):
    caplog.set_level("WARNING")
    several = spec(("x", "y", "any"), counts=(2, 4, 10), multilabel=True)
    assert weights_of_classes("balanced", several).tolist() == pytest.approx([8 / 2, 6 / 4, 1])
    assert "every training image has any, which weighs 1" in caplog.text


class Corner(nn.Module):
    """Scores that depend on the left column alone, so that the mirror image has others."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, images):
        left = images[:, 0, :, 0].mean(-1)
        return torch.stack([left * self.scale, -left * self.scale], -1)


@pytest.mark.parametrize("multilabel", [False, True])
def test_the_mirror_image_averages_probabilities(multilabel):
    images = torch.rand(5, 1, 4, 4)
    data = spec(("a", "b"), (5, 5), multilabel=multilabel)
    plain, flipped = classifier(Corner(), data), classifier(Corner(), data, test_time_flip=True)
    both = [plain.probabilities(plain(picture)) for picture in (images, images.flip(-1))]
    found = [[row["p(a)"], row["p(b)"]] for row in flipped.prediction_rows(flipped.predicted(images), [], None)]
    torch.testing.assert_close(torch.tensor(found), (both[0] + both[1]) / 2, atol=1e-6, rtol=0)


def test_the_mirror_image_of_a_sure_network_has_a_finite_loss():
    data = spec(("a", "b"), (5, 5), multilabel=True)
    model = classifier(Corner(200.0), data, test_time_flip=True).eval()
    loss, _ = model.compute_loss({"image": torch.ones(2, 1, 4, 4), "label": torch.tensor([[1.0, 0.0]] * 2)})
    assert math.isfinite(float(loss))


class Branched(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        logits = torch.zeros(len(images), 3)
        return (logits, logits + torch.tensor([1.0, 0.0, 0.0]), None) if self.training else logits


def test_intermediate_losses_are_added_with_their_weight():
    """log 3 of the even scores, and 0.3 times log(e + 2) of the intermediate ones, whose first score is 1."""
    model = classifier(Branched())
    batch = {"image": torch.zeros(2, 1, 8, 8), "label": torch.tensor([1, 2])}
    assert float(model.compute_loss(batch)[0]) == pytest.approx(math.log(3) + 0.3 * math.log(math.e + 2))
    assert float(model.eval().compute_loss(batch)[0]) == pytest.approx(math.log(3))


def test_biases_and_norms_are_not_decayed():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(4, 2))
    decayed, not_decayed = classifier(network).parameter_groups()
    assert [p.ndim for p in decayed["params"]] == [4, 2]
    assert [p.ndim for p in not_decayed["params"]] == [1, 1, 1, 1]
    assert not_decayed["weight_decay"] == 0.0
    assert len(classifier(network, decay_norm_and_bias=True).parameter_groups()) == 1
