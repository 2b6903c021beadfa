"""A forward pass on the meta device: shapes without numbers, a few hundredths of a second whatever the network."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


def meta_state(network: nn.Module) -> dict[str, Tensor]:
    """Return the network's parameters and buffers by name, on the meta device."""
    tensors = chain(network.named_parameters(), network.named_buffers())
    return {name: tensor.detach().to("meta") for name, tensor in tensors}


def run_on_meta(network: nn.Module, image: Tensor, state: Mapping[str, Tensor] | None = None) -> Any:
    """Return what a network in evaluation makes of an image (1, C, H, W) on the meta device; its hooks are called.

    Its weights are not touched, and every module is left in the mode that it was in. Raises what the network raises.
    """
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.no_grad():
            return functional_call(network, dict(meta_state(network) if state is None else state), (image,))
    finally:
        for module, mode in modes.items():
            module.training = mode
