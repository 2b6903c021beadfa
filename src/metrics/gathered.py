"""Training batches that wait to be measured together.

A metric's update is a dozen small operations, whatever the size of the batch: on a small network as much work as a
layer's. Where counts are added up, it makes no difference how the samples are cut into batches.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

AT_ONCE = 64
"""Batches that wait at most."""
NUMBERS = 2**22
"""Numbers that wait at most, on the device: 16 MB."""


class Gathered:
    """The arguments of a metric's `update`, batch by batch, until `taken` joins them.

    Tensors with the samples first are joined along them, scalars become (N,), and what is no tensor a list of N.
    """

    def __init__(self) -> None:
        self._batches: list[dict[str, Any]] = []
        self._numbers = 0

    def add(self, inputs: dict[str, Any]) -> bool:
        """Keep the inputs of a batch, without gradients; return whether it is time to take them."""
        self._batches.append(inputs)
        self._numbers += sum(value.numel() for value in inputs.values() if isinstance(value, Tensor))
        return len(self._batches) >= AT_ONCE or self._numbers >= NUMBERS

    def taken(self) -> dict[str, Any] | None:
        """Return the inputs of all batches in one, in the order in which they came; None where there are none."""
        batches, self._batches, self._numbers = self._batches, [], 0
        if not batches:
            return None
        return {key: _joined([batch[key] for batch in batches]) for key in batches[0]}


def _joined(values: list[Any]) -> Any:
    first = values[0]
    if not isinstance(first, Tensor):
        return values
    return torch.stack(values) if first.ndim == 0 else torch.cat(values)
