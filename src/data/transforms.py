"""Transforms as they were built: what is in a choice of several, and whether they suit images and targets."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.data.transform_rules import JUDGED, RULES, UNKNOWN, Rule, refusal, refusal_of_whole
from src.errors import UserError


def rule_of(transform: Any) -> Rule:
    """Return the rule of a transform, or of the nearest of its bases that has one."""
    return next((RULES[base.__name__] for base in type(transform).__mro__ if base.__name__ in RULES), UNKNOWN)


def require_right(name: str, transform: Any, targets: Sequence[str], channels: int, pairs: bool) -> None:
    """Raise UserError where a transform, or one inside it, would leave a target wrong or cannot take the images."""
    for part in parts_of(transform):
        reason = refusal(rule_of(part), _given(part), targets, channels, pairs=pairs)
        if reason:
            raise UserError(f"augment.transforms.{name}: {type(part).__name__} {reason}")
    for whole in wholes_of(transform):
        if reason := refusal_of_whole(type(whole).__name__, [rule_of(part) for part in parts_of(whole)], targets):
            raise UserError(f"augment.transforms.{name}: {type(whole).__name__} {reason}")


def _given(transform: Any) -> dict[str, Any]:
    """Return the arguments of a transform that differ from its defaults."""
    known = inspect.signature(type(transform)).parameters
    values = {name: getattr(transform, name) for name in JUDGED if name in known and hasattr(transform, name)}
    return {name: value for name, value in values.items() if value != known[name].default}


def require_known_arguments(transforms: Mapping[str, Any]) -> None:
    """Raise UserError for an argument that a transform does not have: albumentations warns, and goes on without it."""
    for name, transform in transforms.items():
        for part in parts_of(transform):
            for wrong in getattr(part, "invalid_args", ()):
                known = list(inspect.signature(type(part)).parameters)
                near = difflib.get_close_matches(wrong, known, 1) or [", ".join(known)]
                raise UserError(
                    f"augment.transforms.{name}: {type(part).__name__} has no argument {wrong}; did you mean {near[0]}?"
                )


def culprit(transforms: Mapping[str, Any], image: Any) -> tuple[str, Exception] | None:
    """Return the name of a transform that cannot take this image, and why; None where all can."""
    for name, transform in transforms.items():
        for part in parts_of(transform):
            try:
                part(image=image, force_apply=True)
            except Exception as error:
                return name, error
    return None


def can_change_kind(transform: Any, image: NDArray[np.uint8]) -> bool:
    """Tell whether any part of a transform changes the shape or the type of an image."""
    found = (part(image=image, force_apply=True)["image"] for part in parts_of(transform))
    return any(changes_kind(other, image) for other in found)


def changes_kind(found: Any, image: NDArray[np.uint8]) -> bool:
    """Tell whether an image is no longer uint8 of its shape; a last axis of 1 may be left out."""
    if not isinstance(found, np.ndarray) or found.dtype != np.uint8:
        return True
    return found.reshape(*found.shape[:2], -1).shape != image.shape


def kind_of(image: Any) -> str:
    """Return type and shape of an image, for messages."""
    return f"{image.dtype} {tuple(image.shape)}"


def parts_of(transform: Any) -> Iterator[Any]:
    """Yield a transform, or those inside a choice of several."""
    if not _is_whole(transform):
        yield transform
    else:
        for part in transform.transforms:
            yield from parts_of(part)


def wholes_of(transform: Any) -> Iterator[Any]:
    """Yield the compositions of a transform, itself and those inside it."""
    if _is_whole(transform):
        yield transform
        for part in transform.transforms:
            yield from wholes_of(part)


def _is_whole(transform: Any) -> bool:
    """Tell whether a transform is made of others; ColorJitter has `transforms` too, of another kind."""
    return any(base.__name__ == "BaseCompose" for base in type(transform).__mro__)
