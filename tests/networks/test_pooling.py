from __future__ import annotations

import pytest
import torch
from torch import nn

from src.networks.googlenet_bn import Auxiliary
from src.networks.pooling import AdaptiveAveragePool


@pytest.mark.parametrize("cells", [4, 6, 7])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (7, 7), (6, 13), (14, 9)])
def test_averages_and_gradients_are_torchs(cells, height, width):
    ours = torch.randn(2, 3, height, width, dtype=torch.float64, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    out, expected = AdaptiveAveragePool(cells, cells)(ours), nn.AdaptiveAvgPool2d(cells)(theirs)
    torch.testing.assert_close(out, expected)
    weight = torch.randn_like(expected)
    (out * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_an_auxiliary_classifier_is_torchvisions():
    from torchvision.models.googlenet import InceptionAux

    theirs, ours = InceptionAux(512, 10).eval(), Auxiliary(512, 10, dropout=0.7).eval()
    ours.load_state_dict(theirs.state_dict())
    maps = torch.rand(2, 512, 14, 14)
    torch.testing.assert_close(ours(maps), theirs(maps))
