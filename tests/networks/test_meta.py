"""A pass for its shapes alone changes nothing of the network."""

from __future__ import annotations

import torch

from src.networks.features import final_features
from src.networks.fit import require_image_size
from src.networks.meta import run_on_meta
from tests.networks.building import build


def test_a_frozen_part_stays_in_evaluation_and_the_rest_in_training() -> None:
    network = build("resnet", image_size=64).train()
    network.layer1.eval()
    before = {name: module.training for name, module in network.named_modules()}
    assert set(before.values()) == {True, False}
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    final_features(network, 3, 64)
    require_image_size(network, 3, 64)
    assert run_on_meta(network, torch.empty(1, 3, 64, 64, device="meta")).shape == (1, 10)
    assert {name: module.training for name, module in network.named_modules()} == before
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
