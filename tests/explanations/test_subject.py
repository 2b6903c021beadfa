"""Networks without a run: what published weights say of their classes, size and normalisation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from src.errors import UserError
from src.explanations.answers import class_number
from src.explanations.subject import subject_of_weights
from src.networks import weights_file
from tests.networks.building import build, section

AUTO = {"image_size": "auto", "in_channels": 3, "num_classes": "auto", "device": torch.device("cpu")}


@pytest.fixture
def published(monkeypatch, tmp_path) -> Path:
    """A file in place of what would be fetched: the weights of a network as it was drawn."""
    path = tmp_path / "resnet18.pth"
    torch.save(build("resnet", num_classes=1000, image_size=224).state_dict(), path)
    monkeypatch.setattr(weights_file, "downloaded", lambda url: path)
    return path


def test_published_weights_bring_their_classes_size_and_normalisation(published):
    subject = subject_of_weights(section("resnet", weights="IMAGENET1K_V1"), **AUTO)
    assert (len(subject.classes), subject.classes[0], subject.classes[999]) == (1000, "tench", "toilet tissue")
    assert (subject.image_size, subject.eval_crop) == (224, 224 / 256)
    assert subject.mean == (0.485, 0.456, 0.406)
    assert class_number(subject, "tench") == class_number(subject, 0) == class_number(subject, "0") == 0
    with pytest.raises(UserError, match=r"the nearest are .*toilet tissue"):
        class_number(subject, "toilet tisue")
    with pytest.raises(UserError, match="counts from 0 to 999"):
        class_number(subject, 1000)


def test_a_file_says_how_many_outputs_it_has_and_nothing_is_new(published, caplog):
    subject = subject_of_weights(section("resnet", weights=str(published)), **AUTO)
    assert subject.classes[:2] == ("0", "1")
    assert len(subject.classes) == 1000
    assert "head is new" not in caplog.text
    with pytest.raises(UserError, match="have 1000 outputs"):
        subject_of_weights(section("resnet", weights=str(published)), **(AUTO | {"num_classes": 10}))


def test_without_a_run_a_size_that_does_not_fit_is_told_by_the_key_that_there_is():
    asked = AUTO | {"image_size": 16, "num_classes": 10}
    with pytest.raises(UserError, match=r"found image_size=16; type image_size=32$"):
        subject_of_weights(section("lenet"), **asked, untrained=True)
