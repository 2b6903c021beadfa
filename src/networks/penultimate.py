"""A network cut in two before its head: what the head is given, and what it makes of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from src.networks.head import head_names


class Penultimate:
    """The features that a network's head is given, and the way from there to its outputs.

    After the head come the modules behind it in its own sequence (SqueezeNet pools after its last convolution), and
    maps of one pixel are flattened. Whether that is all is tried on the first images.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self._names = head_names(network)
        parent, _, own = self._names[0].rpartition(".")
        container = network.get_submodule(parent)
        steps = [network.get_submodule(self._names[0])]
        if isinstance(container, nn.Sequential):
            children = list(container.named_children())
            steps += [child for _, child in children[[name for name, _ in children].index(own) + 1 :]]
        self._steps = steps
        self._known: bool | None = None

    def features(self, images: Tensor) -> Tensor | None:
        """Return what the head is given for normalised images (B, C, H, W), the samples first.

        None where the outputs do not follow from that alone: other output layers, or steps outside of modules.
        """
        seen: list[Tensor] = []
        head = self._steps[0]
        hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
        try:
            outputs: Any = self.network(images)
        finally:
            hook.remove()
        if self._known is None:
            self._known = (
                len(self._names) == len(seen) == 1
                and isinstance(outputs, Tensor)
                and torch.equal(outputs, self.outputs(seen[0]))
            )
        return seen[0] if self._known else None

    def outputs(self, features: Tensor) -> Tensor:
        """Return the network's outputs (B, K) for what the head is given."""
        for step in self._steps:
            features = step(features)
        return features.flatten(1)
