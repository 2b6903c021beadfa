"""Frozen means frozen: parameters, statistics and dropout, whatever calls `train()`, for every family."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from src.errors import UserError
from src.networks.freezing import Freezing
from src.networks.head import head_names
from tests.networks.building import LIGHT_FAMILIES, SMALL_FAMILIES, build


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2), nn.Flatten(),
        nn.Linear(2, 2),
    )  # fmt: skip


def step(network: nn.Module, size: int = 8, channels: int = 1) -> None:
    """Take a step with everything that could disturb what is frozen: train(), momentum and weight decay."""
    network.train()
    for module in network.modules():
        module.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    outputs = network(torch.rand(4, channels, size, size))
    logits = outputs if isinstance(outputs, torch.Tensor) else sum(outputs)
    logits.square().sum().backward()
    optimizer.step()


def learned(before: nn.Module, after: nn.Module) -> set[str]:
    """Return the names of the tensors that a step changed."""
    there = before.state_dict()
    return {name for name, tensor in after.state_dict().items() if not torch.equal(tensor, there[name])}


@pytest.mark.parametrize("family", SMALL_FAMILIES)
def test_only_the_head_learns_in_every_family(family):
    torch.manual_seed(0)
    network = build(family, num_classes=3, **SMALL_FAMILIES[family])
    Freezing(network, "head")
    before = copy.deepcopy(network)
    step(network, 64, 3)
    heads = {f"{head}.{kind}" for head in head_names(network) for kind in ("weight", "bias")}
    assert learned(before, network) == heads


@pytest.mark.parametrize("family", LIGHT_FAMILIES)
def test_nothing_learns_and_outputs_stay_in_every_family(family):
    torch.manual_seed(0)
    network = build(family, num_classes=3, **LIGHT_FAMILIES[family]).eval()
    images = torch.rand(2, 3, 64, 64)
    expected = network(images)
    Freezing(network, "none")
    network.train()
    assert torch.equal(network(images), expected)  # no dropout, no statistics of the batch
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    ("trainable", "expected"),
    [("all", {"0", "1", "3", "4", "6"}), ("4", {"4", "6"}), ("3", {"3", "4", "6"}), ("head", {"6"}), ("none", set())],
)
def test_what_learns(trainable, expected):
    torch.manual_seed(0)
    network = small()
    Freezing(network, trainable)
    before = copy.deepcopy(network)
    if trainable != "none":
        step(network, 5)
    assert {name.split(".")[0] for name in learned(before, network)} == expected


def test_dropout_before_a_head_is_off_though_intermediate_heads_are_defined_before_it():
    network = build("googlenet_bn", num_classes=3)
    Freezing(network, "head")
    network.train()
    assert not any(module.training for module in network.modules() if isinstance(module, nn.Dropout))


def test_dropout_before_what_learns_is_off_and_behind_it_on():
    network = small()
    Freezing(network, "3")
    network.train()
    assert not network[2].training
    Freezing(other := small(), "1")
    other.train()
    assert other[2].training


def test_a_plan_unfreezes_from_the_end():
    network = small()
    freezing = Freezing(network, {0: "head", 2: "3", 4: "all"})
    found = []
    for epoch in range(5):
        freezing.begin(epoch)
        network.train()
        found.append([name for name, module in network.named_children() if module.training])
    assert found == [["6"], ["6"], ["3", "4", "5", "6"], ["3", "4", "5", "6"], ["0", "1", "2", "3", "4", "5", "6"]]
    assert [freezing.begin(epoch) for epoch in (4, 2, 0, 0)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("trainable", "message"),
    [
        ("layr4", r"ResNet has no layer of that name with parameters; did you mean layer4.*conv1, bn1, layer1, layer2"),
        ({0: "all", 3: "head"}, "epoch 3 would freeze again what learns from epoch 0 on"),
        ({1: "head"}, "the plan says nothing of epoch 0"),
        ({"a": "head"}, "a is no epoch"),
    ],
)
def test_wrong_plans_are_messages(trainable, message):
    with pytest.raises(UserError, match=message):
        Freezing(build("resnet"), trainable)


def test_stages_and_depths_of_a_resnet():
    freezing = Freezing(build("resnet", num_classes=10), {0: "head", 3: "layer4"})
    assert [(stage.name, stage.learns_from) for stage in freezing.stages()] == [
        ("conv1", None), ("bn1", None), ("layer1", None), ("layer2", None), ("layer3", None), ("layer4", 3), ("fc", 0),
    ]  # fmt: skip
    assert sum(stage.parameters for stage in freezing.stages()) == 11_181_642  # 11,689,512 with 1000 classes
    assert [freezing.depth(name) for name in ("fc.bias", "layer4.0.conv1.weight", "conv1.weight")] == [0, 1, 6]


def test_what_is_frozen_can_be_copied():
    network = small()
    Freezing(network, "head")
    twin = copy.deepcopy(network)
    twin.train()
    assert not twin[1].training
    assert twin[6].training
