"""Whether a network can take images of a size: asked before any weights are fetched and any batch is drawn."""

from __future__ import annotations

from bisect import bisect_left

import torch
from torch import nn

from src.errors import UserError
from src.networks.meta import run_on_meta

LARGE = 256
"""Pixels that every network of the field takes, unless it is made for one size."""


def require_image_size(network: nn.Module, in_channels: int, image_size: int) -> None:
    """Raise UserError where `network` cannot take square images of `image_size`, with the nearest size that fits."""
    reason = _refusal(network, in_channels, image_size)
    if reason is None:
        return
    larger = range(image_size + 1, LARGE)
    fits = None
    if larger and _refusal(network, in_channels, LARGE) is None:
        place = bisect_left(larger, True, key=lambda size: _refusal(network, in_channels, size) is None)
        fits = larger[place] if place < len(larger) else LARGE
    name = type(network).__name__
    if fits is None:
        raise UserError(f"{name} cannot take images of data.image_size={image_size} px: {reason}")
    raise UserError(
        f"{name} needs images of at least {fits} px, found data.image_size={image_size}; type data.image_size={fits}"
    )


def _refusal(network: nn.Module, in_channels: int, size: int) -> str | None:
    """Return why a forward pass fails at `size`, None where it does not.

    It runs on the meta device, shapes without numbers: a few hundredths of a second whatever the network.
    """
    try:
        run_on_meta(network, torch.empty(1, in_channels, size, size, device="meta"))
    except NotImplementedError:  # an operation without a meta form: the first batch will tell
        return None
    except (RuntimeError, ValueError, AssertionError) as error:
        return str(error).partition("\n")[0]
    return None
