from __future__ import annotations

import pytest
import torch
from torch import nn

from src.errors import UserError
from src.networks.head import head_name, head_names, replace_head
from tests.networks.building import SMALL_FAMILIES, build

HEADS = {
    "lenet": "classifier.5",
    "alexnet": "classifier.6",
    "vgg19": "classifier.6",
    "googlenet": "fc",
    "googlenet_bn": "fc",
    "zfnet": "classifier.7",
    "nin": "classifier.0",
    "bn_inception": "fc",
    "resnet": "fc",
    "squeezenet": "classifier.1",
    "efficientnet": "classifier.1",
    "mobilenet": "classifier.3",
    "convnext": "classifier.2",
    "conv4": "classifier.2",
    "timm": "fc",
}


@pytest.mark.parametrize("name", SMALL_FAMILIES)
def test_the_head_of_every_family_is_found_and_replaced(name):
    network = build(name, num_classes=7, **SMALL_FAMILIES[name])
    assert head_name(network) == HEADS[name]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    replace_head(network, 3)
    heads = tuple(f"{head}." for head in head_names(network))
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[key], before[key]) for key in after if not key.startswith(heads))
    assert network.eval()(torch.rand(2, 3, 64, 64)).shape == (2, 3)


def test_googlenets_auxiliary_heads_are_heads():
    network = build("googlenet_bn")
    assert head_names(network) == ("fc", "aux1.fc2", "aux2.fc2")
    replace_head(network, 3)
    assert [logits.shape for logits in network(torch.rand(2, 3, 64, 64))] == [(2, 3)] * 3


@pytest.mark.parametrize(
    ("name", "head"),
    [("vit_tiny_patch16_224", "head"), ("mobilenetv3_small_050", "classifier"), ("convnext_atto", "head.fc")],
)
def test_networks_of_timm_say_what_their_head_is(name, head):
    network = build("timm", name=name)
    assert head_name(network) == head
    replace_head(network, 3)
    assert network.eval()(torch.rand(2, 3, 64, 64)).shape == (2, 3)


def test_a_network_without_layers_has_no_head():
    with pytest.raises(UserError, match="Identity has no dense or convolutional layer"):
        head_name(nn.Identity())
