"""How strongly a network shrinks its input before the first block, and which weights that allows."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from src.errors import UserError

SMALL_IMAGE = 40
"""Pixels up to which `auto` is the small stem.

At 64 px the finer stems of a ResNet took three times the time of the published one, or more, so they are for those who
ask for them.
"""

log = logging.getLogger(__name__)


def automatic_stem(image_size: int) -> str:
    """Return the stem that `auto` stands for."""
    return "small" if image_size <= SMALL_IMAGE else "imagenet"


def settled_stem(stem: str, image_size: int, weights: str | None, published: Mapping[str, str]) -> str:
    """Return `stem`, or what `auto` becomes for this image size, which is logged.

    Raises UserError where published weights are asked for a stem that they do not belong to. The weights never choose
    the stem: a network must come out the same when it is built again to receive its own weights.
    """
    settled = stem
    if stem == "auto":
        settled = automatic_stem(image_size)
        for_file = weights is not None and weights not in published and settled != "imagenet"
        hint = "; what was learned on larger images wants network.stem=imagenet" if for_file else ""
        log.info("network.stem=auto: %s, for images of %d px%s", settled, image_size, hint)
    if weights in published and settled != "imagenet":
        raise UserError(
            f"network.weights={weights} belong to network.stem=imagenet, but the stem is {settled} "
            f"(network.stem={stem}, data.image_size={image_size}); type network.stem=imagenet"
        )
    return settled
