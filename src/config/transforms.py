"""Whether what augments the images leaves the targets right that the model learns from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from src.config.composed import Composed
from src.config.problems import Problem
from src.config.signatures import NoSuchTarget, class_literal
from src.data.transform_rules import (
    MIRROR,
    PARTS,
    RULES,
    UNKNOWN,
    Rule,
    composition_of,
    refusal,
    refusal_of_whole,
)

Section = Mapping[str, Any]


def problems(composed: Composed, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the transforms that would leave a target wrong, or cannot take the images; `values` are resolved."""
    model, data, augment = (values.get(name) or {} for name in ("model", "data", "augment"))
    if composed.unsure & {"model", "data", "augment"}:
        return
    source = data.get("source") or {}
    targets = _literal(model, "requires") or ()
    channels, pairs = _channels(source), _pairs(source)
    for key in ("horizontal_flip", "vertical_flip"):
        if augment.get(key) and "keypoints" in targets and pairs is False:
            where, _ = composed.origins.of(f"augment.{key}")
            yield Problem(where, f"augment.{key}={augment[key]}", MIRROR)
    for name, transform in (augment.get("transforms") or {}).items():
        key = f"augment.transforms.{name}"
        where, _ = composed.origins.of(f"{key}._target_")
        for reason in _reasons(transform, targets, channels, pairs):
            yield Problem(where, key, reason, f"{key}=null leaves it out")
            break


def _reasons(transform: Any, targets: Sequence[str], channels: int | None, pairs: bool | None) -> Iterator[str]:
    """Yield why a transform cannot be used, itself or one inside it."""
    if not isinstance(transform, Mapping) or not isinstance(transform.get("_target_"), str):
        return
    package, _, name = transform["_target_"].rpartition(".")
    inner = [part for argument in PARTS.get(name, ()) for part in _listed(transform.get(argument))]
    if reason := refusal_of_whole(name, [rule for part in inner for rule in _rules(part)], targets):
        yield f"{name} {reason}"
    for part in inner:
        yield from _reasons(part, targets, channels, pairs)
    rule = RULES.get(name) if package.startswith("albumentations") else composition_of(transform["_target_"])
    if rule is not None and name not in PARTS:
        arguments = {key: value for key, value in transform.items() if key != "_target_"}
        if reason := refusal(rule, arguments, targets, channels, pairs=pairs):
            yield f"{name} {reason}"


def _rules(transform: Any) -> Iterator[Rule]:
    """Yield the rules of a transform, or of those inside it."""
    if isinstance(transform, Mapping):
        name = str(transform.get("_target_")).rpartition(".")[2]
        inner = [part for argument in PARTS.get(name, ()) for part in _listed(transform.get(argument))]
        if name not in PARTS:
            yield RULES.get(name, UNKNOWN)
        for part in inner:
            yield from _rules(part)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _channels(source: Section) -> int | None:
    """Return the channels of the images, None where only the data tell."""
    typed = source.get("channels")
    if isinstance(typed, int):
        return typed
    found = _literal(source, "channels") if "channels" not in source else None
    return found if isinstance(found, int) else None


def _pairs(source: Section) -> bool | None:
    """Tell whether the source says which points trade places in a mirror image; None where only the data tell."""
    if "flip_pairs" in source:
        return source["flip_pairs"] is not None
    return _literal(source, "flip_pairs") is not None


def _literal(section: Section, name: str) -> Any:
    target = section.get("_target_")
    try:
        return class_literal(target, name) if isinstance(target, str) else None
    except NoSuchTarget:
        return None
