"""What a model says that it measures, which is read before torch is imported, is what it measures."""

from __future__ import annotations

from src.metrics.classification import label_metrics
from src.metrics.localization import localization_metrics
from src.metrics.verification import NAMES
from src.models.classifier import Classifier
from src.models.localizer import Localizer
from src.models.verification import VerificationModel


def test_figures_are_those_of_the_metrics_whatever_the_data():
    labels = {*label_metrics(10, multilabel=False), *label_metrics(3, multilabel=True)}
    boxes = {*localization_metrics(["nothing", "ball"], nothing=True, by_class=False)}
    assert sorted(Classifier.figures) == sorted(map(str, labels))
    assert sorted(Localizer.figures) == sorted(map(str, boxes))
    assert VerificationModel.figures == NAMES
