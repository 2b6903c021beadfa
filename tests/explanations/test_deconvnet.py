"""The deconvnet, against the paper's own steps written out: unpool with switches, rectify, filter transposed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.explanations.deconvnet import DeconvnetRules, reconstruction
from src.explanations.patches import Unit
from src.explanations.taps import outputs_of
from tests.explanations.small import MadeUp, convolutional, subject


def written_out(network: nn.Sequential, image: Tensor, channel: int, row: int, column: int) -> Tensor:
    """Zeiler and Fergus, section 2.1, for two layers of convolution, rectification and 2x2 pooling."""
    first, second = network[0], network[3]
    with torch.no_grad():
        before = F.relu(first(image))
        pooled, switches = F.max_pool2d(before, 2, return_indices=True)
        maps = F.relu(second(pooled))
        signal = torch.zeros_like(maps)
        signal[0, channel, row, column] = maps[0, channel, row, column]
        signal = F.conv_transpose2d(F.relu(signal), second.weight, padding=1)
        unpooled = torch.zeros_like(before).flatten(2).scatter(2, switches.flatten(2), signal.flatten(2))
        signal = unpooled.view_as(before)
        return F.conv_transpose2d(F.relu(signal), first.weight, padding=1)[0]


def test_reconstruction_equals_the_steps_of_the_paper() -> None:
    """For the strongest unit of every channel; some channels answer to nothing, and then nothing comes back."""
    network = convolutional(3)
    explained = subject(network, 16)
    item = MadeUp(1, 16).item(0)
    maps = outputs_of(explained, explained.normalized(item.batch), ["4"])["4"][0].detach()
    answering = 0
    for channel, values in enumerate(maps):
        unit = (channel, *divmod(int(values.argmax()), values.shape[1]))
        box = explained.trace.fields["4"].box(*unit[1:])
        found = reconstruction(explained, Unit("4", *unit, float(values.max()), item, box, box))
        expected = written_out(network, explained.normalized(item.batch), *unit).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-6)
        answering += bool(expected.any())
        outside = found.copy()
        outside[:, box[1] : box[3], box[0] : box[2]] = 0
        assert not outside.any()
    assert answering >= 3


def test_it_is_not_the_gradient_and_not_guided_backpropagation() -> None:
    """A unit below zero passes what comes back, unlike the gradient; what comes back negative is cut off."""
    values = torch.tensor([-1.0, -1.0, 2.0, 2.0], requires_grad=True)
    with DeconvnetRules():
        output = F.relu(values)
    assert output.tolist() == [0, 0, 2, 2]
    (back,) = torch.autograd.grad(output, values, torch.tensor([3.0, -3.0, 3.0, -3.0]))
    assert back.tolist() == [3, 0, 3, 0]


def test_forward_values_are_those_of_the_network() -> None:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    network, image = resnet18(num_classes=3).eval(), torch.rand(1, 3, 40, 40)
    with torch.no_grad():
        expected = network(image)
        with DeconvnetRules():
            torch.testing.assert_close(network(image), expected)


def test_local_response_normalisation_is_passed_as_if_it_were_not_there() -> None:
    values = torch.rand(1, 4, 3, 3, requires_grad=True)
    with DeconvnetRules():
        output = F.local_response_norm(values, 3)
    torch.testing.assert_close(output, F.local_response_norm(values, 3))
    (back,) = torch.autograd.grad(output.sum(), values)
    assert torch.equal(back, torch.ones_like(values))
