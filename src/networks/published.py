"""The weights that torchvision publishes, by name, and the last steps that all families over torchvision share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge, Lt
from torch import nn

from src.errors import UserError
from src.networks.fit import require_image_size
from src.networks.variations import (
    Normalization,
    Pooling,
    drop_otherwise,
    normalize_otherwise,
    pool_otherwise,
    reduce_depth,
)
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
    *,
    normalization: Normalization = "as_published",
    pooling: Pooling = "as_published",
    reduction: Annotated[int, Ge(1)] | None = None,
    dropout: Annotated[float, Ge(0), Lt(1)] | None = None,
    stem: str | None = None,
) -> nn.Module:
    """Return `network`, varied as asked, when the image size fits, with the weights that the configuration names.

    Keys of the weights that start with one of `ignore` are left out. `dropout` is for families without a key of
    their own for it; None is as published. `stem` says how the network begins, where that is a choice. Raises
    UserError as its steps do, and where published weights are asked for layers that are not as published.
    """
    if weights in urls:
        require_as_published(str(weights), normalization, reduction)
    require_image_size(network, in_channels, image_size)
    normalize_otherwise(network, normalization)
    pool_otherwise(network, pooling)
    if reduction is not None:
        reduce_depth(network, reduction, in_channels, image_size)
    if dropout is not None:
        drop_otherwise(network, dropout)
    load_weights(network, weights, urls, ignore, stem)
    return network


def require_as_published(weights: str, normalization: Normalization, reduction: int | None) -> None:
    """Raise UserError where published weights are asked for layers that are not as published."""
    if normalization != "as_published" or reduction is not None:
        raise UserError(
            f"network.weights={weights} belong to the network as published: leave away network.normalization"
            f"={normalization} and network.reduction={reduction}, or network.weights"
        )
