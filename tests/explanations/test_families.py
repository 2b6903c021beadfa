"""Every family of networks can be looked into: usual layers, deconvnet and Grad-CAM, without naming the family."""

from __future__ import annotations

import pytest
import torch

from src.explanations.answers import Question
from src.explanations.deconvnet import reconstruction
from src.explanations.gradcam import grad_cam
from src.explanations.layers import usual_layers
from src.explanations.patches import Unit
from src.explanations.taps import outputs_of, strengths
from src.networks.features import final_features
from tests.explanations.small import MadeUp, subject
from tests.networks.building import LIGHT_FAMILIES, build

SIDE = 96


@pytest.mark.parametrize("family", LIGHT_FAMILIES)
def test_layers_units_and_answers_of_every_family_can_be_explained(family):
    torch.manual_seed(0)
    explained = subject(build(family, image_size=SIDE, **LIGHT_FAMILIES[family]), SIDE, classes=list("abcdefghij"))
    item = MadeUp(1, SIDE).item(0)
    layers = usual_layers(explained)
    assert 1 <= len(layers) <= 4
    image = explained.normalized(item.batch)
    maps = outputs_of(explained, image, layers)
    for name in layers:
        assert tuple(maps[name].shape[1:]) == explained.shapes[name]
    name = layers[0]
    values, places = strengths(maps[name])
    channel = int(values[0].argmax())
    at = divmod(int(places[0, channel]), maps[name].shape[3])
    box = explained.trace.fields[name].box(*at)
    rebuilt = reconstruction(explained, Unit(name, channel, *at, float(values[0, channel]), item, box, box))
    assert rebuilt.any()
    rebuilt[:, box[1] : box[3], box[0] : box[2]] = 0
    assert not rebuilt.any()
    answer = Question("class").settled(explained).answer(explained, item, None)
    last = final_features(explained.network, 3, SIDE)[0]
    _, found = grad_cam(explained, image, answer, last)
    assert found.shape[1:] == explained.shapes[last][1:]
    assert bool((found >= 0).all())
