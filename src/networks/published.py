"""The weights that torchvision publishes, by name, and the last steps that all families over torchvision share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from src.networks.fit import require_image_size
from src.networks.weights import load_weights


def torchvision_weights(name: str | None) -> Mapping[str, Any]:
    """Return the members of torchvision's enumeration of weights for the network that it calls `name`.

    None stands for a network that torchvision does not know, which has none.
    """
    if name is None:
        return {}
    from torchvision.models import get_model_weights

    members: Mapping[str, Any] = get_model_weights(name).__members__
    return members


def published_urls(name: str | None) -> dict[str, str]:
    """Return the URL of each of the published weights of torchvision's `name`."""
    return {key: member.url for key, member in torchvision_weights(name).items()}


def finished(
    network: nn.Module,
    in_channels: int,
    image_size: int,
    weights: str | None,
    urls: Mapping[str, str],
    ignore: tuple[str, ...] = (),
) -> nn.Module:
    """Return `network`, when the image size fits, with the weights loaded that the configuration names.

    Keys of the weights that start with one of `ignore` are left out. Raises UserError as its two steps do.
    """
    require_image_size(network, in_channels, image_size)
    load_weights(network, weights, urls, ignore)
    return network
