"""Learned kernels as pictures (chapter, section 6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray
from torch import nn

from src.errors import UserError
from src.explanations.drawing import about_gray, captioned, fitted, grid, titled
from src.explanations.given import Given
from src.explanations.layers import nearest_names
from src.explanations.subject import Subject

SHEET = 1000
"""Pixels that a sheet of kernels is about wide."""
IN_COLOUR, BY_CHANNEL = 64, 24
"""Kernels that are shown without being asked for."""
WIDEST, LARGEST = 16, 200
"""Kernels beside each other at most, and pixels of a kernel."""


class Filters:
    """Kernels over three colours are shown in colour, as what they answer to; all others channel by channel.

    Middle gray is 0; black and white, or the purest colours, are the layer's largest weight.
    """

    needs_images: ClassVar[bool] = False

    def __init__(self, *, layer: str | list[str] | None, limit: Annotated[int, Ge(1)] | Literal["auto"]) -> None:
        self.layer, self.limit = layer, limit

    def explain(self, given: Given) -> None:
        """Write a sheet per layer, and all of its weights."""
        subject, output = given.subject, given.output
        output.title = "Filters"
        output.words = "Learned kernels. Middle gray is 0; the layer's largest weight is black or white."
        output.numbers = {"layers": []}
        for name in self._layers(subject):
            weights = _weights(subject.network.get_submodule(name))
            in_colour = weights.shape[1] == 3
            limit = (IN_COLOUR if in_colour else BY_CHANNEL) if self.limit == "auto" else self.limit
            kernels = weights[:limit]
            if in_colour:
                sheet = self._in_colour(kernels)
            else:
                kernels = kernels[:, :limit]
                sheet = self._by_channel(kernels)
            what = "x".join(map(str, weights.shape[2:]))
            words = f"{name}: {len(kernels)} of {len(weights)} kernels {what}"
            if not in_colour:
                words += f", a row each; {kernels.shape[1]} of {weights.shape[1]} channels, a column each"
            output.picture(f"filters-{name or 'network'}", titled(sheet, words), words)
            output.arrays(f"filters-{name}", {"weights": weights})
            output.numbers["layers"].append(
                {"layer": name, "shape": list(weights.shape), "largest": float(f"{np.abs(weights).max():.6g}")}
            )

    def _in_colour(self, kernels: NDArray[np.float32]) -> NDArray[np.uint8]:
        beside = min(WIDEST, max(1, round((2 * len(kernels)) ** 0.5)))
        side = min(LARGEST, SHEET // beside)
        coloured = about_gray(kernels.transpose(0, 2, 3, 1))
        tiles = [captioned(fitted(kernel, side, squares=True), [str(k)], 11) for k, kernel in enumerate(coloured)]
        return grid(tiles, beside, gap=6)

    def _by_channel(self, kernels: NDArray[np.float32]) -> NDArray[np.uint8]:
        count, channels, height, width = kernels.shape
        most = max(height, width)
        side = max(1, min(40, SHEET // channels // most)) * most
        values = about_gray(kernels.reshape(count * channels * height, width)).reshape(
            count, channels, height, width, 3
        )
        tiles = [fitted(values[k, c], side, squares=True) for k in range(count) for c in range(channels)]
        return grid(tiles, channels, gap=4)

    def _layers(self, subject: Subject) -> Sequence[str]:
        """Return the convolutions that were named. Raises UserError for what is none, with the nearest."""
        known = {name: one for name, one in subject.network.named_modules() if isinstance(one, nn.Conv2d)}
        if self.layer is None:
            return list(known)[:1]
        names = [self.layer] if isinstance(self.layer, str) else self.layer
        for name in names:
            if name not in known:
                near = nearest_names(name, list(known))
                raise UserError(
                    f"method.layer={name}: {subject.name} has no convolution of that name"
                    + (f"; the nearest are {', '.join(near)}" if near else "")
                    + ". method=layers lists all layers"
                )
        return names


def _weights(module: nn.Module) -> NDArray[np.float32]:
    """Return the kernels (out, in, height, width) of a convolution."""
    weight = module.weight
    assert isinstance(weight, torch.Tensor)
    return weight.detach().float().cpu().numpy()
