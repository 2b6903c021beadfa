"""Every network of conf/network/ learns from a batch of the drawn shapes; new files are found by themselves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

from src.config.build import build as build_section
from src.data.normalize import IMAGENET_MEAN, IMAGENET_STD, normalize
from src.errors import UserError
from src.networks.head import main_and_auxiliary
from tests.networks.building import CONF, build, section

NETWORKS = sorted(path.stem for path in CONF.glob("*.yaml") if not path.stem.startswith("_"))
SHAPES: dict[str, Any] = yaml.safe_load((CONF.parent / "data" / "shapes.yaml").read_text())["source"]
WITH_LARGE_DENSE_LAYERS = ("alexnet", "vgg19", "zfnet")
"""Of their first dense layer, a sixth of all weights is left by 1x1 filters before it: a test must be quick."""


def drawn(name: str) -> tuple[nn.Module, int]:
    """Return a network for the smallest size that fits, with torch's usual weights in place of each family's own.

    It is built without memory first: drawing the weights of VGG19 takes longer than all that is asked here.
    """
    options: dict[str, Any] = {"stem": "imagenet"} if section(name).get("stem") == "auto" else {}
    if name in WITH_LARGE_DENSE_LAYERS:
        options["reduction"] = 8
    for size in (32, 64, 96):
        try:
            with torch.device("meta"):
                network = build(name, num_classes=8, image_size=size, **options)
        except UserError:
            continue
        network.to_empty(device="cpu")
        for module in network.modules():
            for parameter in module.parameters(recurse=False):
                nn.init.ones_(parameter)
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        return network.train(), size
    raise AssertionError(f"{name} takes no images of up to 96 px")


def batch(size: int) -> tuple[Tensor, Tensor]:
    source = build_section({**SHAPES, "size": size})
    samples = [source.read(index) for index in range(2)]
    images = torch.from_numpy(np.stack([sample["image"] for sample in samples])).permute(0, 3, 1, 2)
    return normalize(images, IMAGENET_MEAN, IMAGENET_STD), torch.tensor([sample["label"] for sample in samples])


@pytest.mark.parametrize("name", NETWORKS)
def test_it_takes_a_training_step_on_shapes(name: str) -> None:
    torch.manual_seed(0)
    network, size = drawn(name)
    images, labels = batch(size)
    logits, auxiliary = main_and_auxiliary(network(images))
    assert logits.shape == (2, 8)
    loss = sum(nn.functional.cross_entropy(scores, labels) for scores in (logits, *auxiliary))
    assert isinstance(loss, Tensor)
    assert math.isfinite(loss.item())
    loss.backward()
    learned = dict(network.named_parameters())
    silent = [key for key, parameter in learned.items() if parameter.grad is None]
    assert not silent  # every weight has its part in the answer
    before = {key: parameter.detach().clone() for key, parameter in learned.items() if parameter.ndim < 2}
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    assert all(parameter.isfinite().all() for parameter in learned.values())
    assert any(not torch.equal(before[key], learned[key]) for key in before)
