"""Which classes excite which channels: by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from src.explanations.activations import Activations, lead
from src.explanations.given import Given
from src.explanations.images import Split
from src.explanations.output import Output
from src.explanations.taps import outputs_of
from tests.explanations.small import MadeUp, convolutional, subject


def test_the_lead_of_a_class_is_over_the_mean_of_the_others_by_the_channels_scale() -> None:
    """Channel 0 has the means 4, 1 and 1: class 0 leads by 3 of 4. Channel 1 is still; channel 2 is ten times 0."""
    means = torch.tensor([[4.0, 0.0, 40.0], [1.0, 0.0, 10.0], [1.0, 0.0, 10.0]])
    expected = torch.tensor([[0.75, 0, 0.75], [-0.375, 0, -0.375], [-0.375, 0, -0.375]])
    torch.testing.assert_close(lead(means), expected)


class MadeUpSplit(MadeUp, Split):
    """Counts as a split, whose labels are known."""


@pytest.mark.parametrize("batch_size", [3, 20])
def test_means_of_classes_are_those_of_their_images(batch_size: int, tmp_path: Path) -> None:
    explained, images = subject(convolutional(), 16), MadeUpSplit(11, 16)
    method = Activations(layer="4", channels=None, number=2, limit=1)
    output = Output(tmp_path, "activations")
    method.explain(Given(output, explained, images, None, batch_size, 0))
    found = np.load(tmp_path / "classes-4.npz")["means"]
    for label in range(2):
        batch = torch.cat([images.item(i).batch for i in range(11) if i % 2 == label])
        with torch.no_grad():
            maps = outputs_of(explained, explained.normalized(batch), ["4"])["4"]
        np.testing.assert_allclose(found[label], maps.amax(dim=(2, 3)).mean(dim=0).numpy(), atol=1e-6)
    output.finish()
    lists = json.loads((tmp_path / "explanation.json").read_text())["numbers"]["classes"][0]
    best = lists["classes_of_channels"][0][0]
    assert best["class"] == ("cat", "dog")[int(found[:, 0].argmax())]
    assert best["mean"] == pytest.approx(found[:, 0].max(), rel=1e-5)
