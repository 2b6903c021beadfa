"""Keys that do nothing because of what another key is: told with what they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from src.config.composed import Composed
from src.config.problems import COMMAND_LINE, Problem
from src.config.signatures import NoSuchTarget, class_literal

Values = Mapping[str, Any]


def _of(values: Values, key: str) -> Any:
    """Return the value at a dotted key, None where there is none."""
    found: Any = values
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _has_boxes(values: Values) -> bool:
    target = _of(values, "data.source._target_")
    try:
        targets = class_literal(target, "targets") if isinstance(target, str) else None
    except NoSuchTarget:
        return True
    return targets is None or "box" in targets


NEEDS: Mapping[str, tuple[Callable[[Values], bool], str, str]] = {
    "data.folds": (
        lambda values: _of(values, "data.fold") is not None,
        "counts only where a fold is held out",
        "type data.fold=0 too, or leave it out",
    ),
    "data.store_budget": (
        lambda values: _of(values, "data.store") == "auto",
        "is for data.store=auto, which asks whether to pack",
        "leave it out",
    ),
    "data.stream_cache": (
        lambda values: _of(values, "data.store") == "stream",
        "is for data.store=stream",
        "type data.store=stream too, or leave it out",
    ),
    "chunk": (
        lambda values: _of(values, "data.store") == "stream",
        "is of a stream's chunks",
        "type data.store=stream too, or leave it out",
    ),
    "overwrite": (
        lambda values: _of(values, "data.store") == "stream",
        "is for another stream that is there already",
        "type data.store=stream too, or leave it out",
    ),
    "augment.crop_ratio": (
        lambda values: _of(values, "augment.crop_scale") is not None,
        "is of the crops of augment.crop_scale, and there are none",
        "type augment.crop_scale=[0.6,1.0] too, or leave it out",
    ),
    "augment.lost_object": (_has_boxes, "is for data with boxes", "leave it out"),
    "augment.min_box_share": (_has_boxes, "is for data with boxes", "leave it out"),
    "model.aux_weight": (
        lambda values: bool(_of(values, "network.auxiliary")),
        "weighs intermediate losses, and this network has none",
        "leave it out",
    ),
    "model.images_per_identity": (
        lambda values: _of(values, "model.mining") != "curated",
        "is of drawn batches, and curated triplets are a table's",
        "leave it out",
    ),
    "trainer.gradient_clip_algorithm": (
        lambda values: bool(_of(values, "trainer.gradient_clip_val")),
        "says how gradients are clipped, and none are",
        "type trainer.gradient_clip_val=1 too, or leave it out",
    ),
}
"""By key: whether it acts, why it does not, and what to do."""


def problems(composed: Composed, values: Values) -> Iterator[Problem]:
    """Yield the typed keys of a fresh configuration that nothing would go by, and what a training waits for in vain."""
    if composed.layers and composed.command in ("train", "lr_find") and not composed.unsure & {"trainer", "callbacks"}:
        yield from (Problem(composed.origins.of(key)[0], key, what, hint) for key, what, hint in _of_training(values))
    for override in composed.typed if composed.layers else ():
        rule = NEEDS.get(override.key)
        if rule is None or override.key.partition(".")[0] in composed.unsure or override.delete:
            continue
        acts, why, hint = rule
        if not acts(values):
            yield Problem(COMMAND_LINE, override.canonical, why, hint)


def _of_training(values: Values) -> Iterator[tuple[str, str, str]]:
    """Yield keys, wherever they stand, with which nothing learns, is shared or is averaged as they say."""
    trainer, callbacks = values.get("trainer") or {}, values.get("callbacks") or {}
    if trainer.get("sync_batchnorm") and trainer.get("accelerator") == "cpu":
        yield "trainer.sync_batchnorm", "works on GPUs alone", "leave it out"
    targets = {name: str(one.get("_target_")) for name, one in callbacks.items() if isinstance(one, Mapping)}
    strategy = trainer.get("strategy")
    named = str(strategy.get("_target_") if isinstance(strategy, Mapping) else strategy)
    for name, target in targets.items():
        if target == "src.callbacks.ema.EMA" and named.rpartition(".")[2].startswith(("fsdp", "deepspeed")):
            yield f"callbacks.{name}", "sharded parameters cannot be averaged", "type trainer=ddp, or leave it out"
