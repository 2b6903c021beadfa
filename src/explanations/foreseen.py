"""What can be known of an explanation before its run is there, so that no training ends in one that cannot succeed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from src.config import saved
from src.config.build import build
from src.config.composed import Composed
from src.config.signatures import class_literal
from src.explanations.answers import Question
from src.explanations.command import needs, require_right_anchor, require_what_is_needed
from src.explanations.layers import require_layer
from src.explanations.subject import IMAGE_SIZE, Subject
from src.runs.prediction import image_files, single_image

PLACEHOLDER = 2
"""Outputs of a network of which only the names of its layers are asked."""


def require_possible(composed: Composed, training: Mapping[str, Any]) -> None:
    """Raise UserError where an explanation cannot succeed for the run that the configuration `training` will leave.

    Files must be there, the method takes its values, the model has the answer, and the network the layer. Classes and
    numbers of channels are known when there are data.
    """
    require_what_is_needed(composed)
    asked = saved.plain(composed.config)
    method = build(asked["method"])
    if not all(needs(composed).values()):
        return
    require_right_anchor(asked, model_compares=bool(class_literal(training["model"]["_target_"], "compares")))
    for key, found in (("input", image_files), ("anchor", single_image)):
        if asked[key] is not None:
            found(key, asked[key])
    question = getattr(method, "question", None)
    if isinstance(question, Question):
        question.decided(class_literal(training["model"]["_target_"], "explained"))
    named = asked["method"].get("layer")
    if named:
        network = _without_weights(training)
        for name in [named] if isinstance(named, str) else named:
            require_layer(network, name)


def _without_weights(training: Mapping[str, Any]) -> Subject:
    """Return the network of a configuration without numbers, to ask it for its layers."""
    size = training["data"]["image_size"]
    side = size if isinstance(size, int) else IMAGE_SIZE
    with torch.device("meta"):
        network = build(
            {**training["network"], "weights": None}, num_classes=PLACEHOLDER, in_channels=3, image_size=side
        )
    nothing = (0.0,) * 3, (1.0,) * 3
    return Subject(network, None, (), 3, side, 1.0, *nothing, torch.device("meta"))
