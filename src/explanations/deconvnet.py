"""The deconvnet: what of an image a unit sees, brought back into pixel space.

Zeiler, Fergus: Visualizing and understanding convolutional networks, ECCV 2014, section 2.1 (chapter, Figure 6.12). All
other units of the layer are set to zero; then, layer by layer back to the image, maps are unpooled into the places that
the forward pass remembers (switches), rectified, and convolved with the transposed filters.

Going backwards through a convolution is the convolution with transposed filters, and through max pooling it is
unpooling with switches; so all that differs from the gradient is the rectification: what comes back is cut off below
zero by itself, wherever the forward pass rectified, and not where the forward pass was below zero. That rule is put in
place of the gradient's, which makes a deconvnet of any network: normalisation is undone by its scale, branches add up,
and local response normalisation is passed as if it were not there, as in the paper. Where pooling windows overlap, what
comes back to one place from two of them is added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode

from src.explanations.drawing import about_gray, captioned, grid, row
from src.explanations.output import Output
from src.explanations.patches import TILE, Patches, Unit, across, block_title, patches_grid
from src.explanations.subject import Subject
from src.explanations.taps import outputs_of

RECTIFIERS = {
    *("relu", "relu_", "relu6", "hardtanh", "leaky_relu", "leaky_relu_", "rrelu", "prelu", "elu", "elu_", "celu"),
    *("selu", "gelu", "silu", "mish", "hardswish", "softplus"),
}
"""Activations, as torch's functions are named, that pass what is positive and little else."""


BRIGHTEST = 0.995
"""The share of values below the one that is black or white: single pixels would leave all others gray."""
GRAY = 128


class Deconvnet(Patches):
    """Beside each of the patches that excite a channel most, what of it brings the strongest unit about."""

    def describe(self, output: Output) -> None:
        """Say what the pictures show."""
        output.title = "Deconvnet"
        output.words = (
            f"For each channel the {self.best} images that excite it most, strongest first. Right: cut out at the "
            "receptive field of the strongest unit. Left: that unit alone brought back to the pixels by the deconvnet, "
            "each by itself; middle gray is 0. Where a network halves its maps by strided filters, as a ResNet does, "
            "instead of max pooling, no switches remember the places of maxima, and the filters' grid shows."
        )

    def block(
        self, subject: Subject, layer: str, channel: int, units: Sequence[Unit], output: Output
    ) -> NDArray[np.uint8]:
        """Return the two grids of one channel side by side, and write the reconstructions."""
        rebuilt = [reconstruction(subject, unit) for unit in units]
        output.arrays(f"deconvnet-{layer}-{channel}", {"reconstructions": np.stack(rebuilt)})
        tiles = [
            unit.framed(about_gray(_cut(values, unit), BRIGHTEST), TILE, GRAY)
            for values, unit in zip(rebuilt, units, strict=True)
        ]
        both = row([grid(tiles, across(len(tiles))), patches_grid(units)], 6)
        return captioned(both, [block_title(channel, units)])


def reconstruction(subject: Subject, unit: Unit) -> NDArray[np.float32]:
    """Return what the deconvnet makes of one unit, in normalised pixels (C, H, W)."""
    image = subject.normalized(unit.item.batch)
    with torch.enable_grad(), DeconvnetRules():
        watched = image.requires_grad_(True)
        maps = outputs_of(subject, watched, [unit.layer])[unit.layer]
    alone = torch.zeros_like(maps)
    place = (0, unit.channel, unit.row, unit.column)
    alone[place] = maps.detach()[place]
    (found,) = torch.autograd.grad(maps, watched, alone)
    return found[0].float().cpu().numpy()


class DeconvnetRules(TorchFunctionMode):
    """While it is in force, rectifications and local response normalisation go backwards as in a deconvnet."""

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(function, "__name__", "")
        if name in RECTIFIERS:
            before = args[0]
            with torch.no_grad():
                after = function(before.detach().clone(), *args[1:], **(kwargs or {}))
            return _Rectified.apply(before, after)
        if name == "local_response_norm":
            with torch.no_grad():
                after = function(args[0].detach(), *args[1:], **(kwargs or {}))
            return args[0] + (after - args[0].detach())
        return function(*args, **(kwargs or {}))


class _Rectified(torch.autograd.Function):
    """An activation whose value is given, and through which only what is positive comes back."""

    @staticmethod
    def forward(context: Any, before: Tensor, after: Tensor) -> Tensor:
        return after.clone()

    @staticmethod
    def backward(context: Any, *slopes: Any) -> Any:
        return slopes[0].clamp(min=0), None


def _cut(values: NDArray[np.float32], unit: Unit) -> NDArray[np.float32]:
    """Return the receptive field (h, w, C) of pixel values (C, H, W)."""
    x0, y0, x1, y1 = unit.box
    return values[:, y0:y1, x0:x1].transpose(1, 2, 0)
