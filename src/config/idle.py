"""Keys of a training that would be taken and do nothing, for what else the configuration says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from src.config.composed import Composed
from src.config.problems import Problem

UNUSED = {
    "limit_predict_batches": "a training predicts nothing",
    "model_registry": "the runs of this project lie in folders",
    "enable_autolog_hparams": "loggers are given the whole configuration",
}
"""Arguments of Lightning's Trainer that nothing here comes to, and why."""


def problems(composed: Composed, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the keys that have no effect, or cannot have theirs."""
    if composed.command not in ("train", "lr_find") or composed.unsure & {"trainer", "callbacks"}:
        return
    trainer = values.get("trainer") or {}
    found = [(f"trainer.{key}", f"has no effect: {why}", "") for key, why in UNUSED.items() if key in trainer]
    if (values.get("optimizer") or {}).get("lr") == 0:
        found.append(("optimizer.lr", "0: nothing learns", "type a rate above 0"))
    if trainer.get("gradient_clip_algorithm") and not trainer.get("gradient_clip_val"):
        found.append(("trainer.gradient_clip_algorithm", "clips nothing", "type trainer.gradient_clip_val too"))
    if trainer.get("sync_batchnorm") and trainer.get("accelerator") == "cpu":
        found.append(("trainer.sync_batchnorm", "works on GPUs alone", "leave it away"))
    found += _stopping(values) if composed.command == "train" else []
    for key, what, suggestion in found:
        yield Problem(composed.origins.of(key)[0], key, what, suggestion or "leave it away")


def _stopping(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what waits for something that never comes: an early end, or weights that can be averaged."""
    trainer, callbacks = values.get("trainer") or {}, values.get("callbacks") or {}
    targets = {name: str(one.get("_target_")) for name, one in callbacks.items() if isinstance(one, Mapping)}
    may_stop = trainer.get("max_time") or any(not target.startswith("src.") for target in targets.values())
    for key in ("min_epochs", "min_steps"):
        if trainer.get(key) and not may_stop:
            what = "has no effect: nothing ends this training early"
            yield f"trainer.{key}", what, "type callbacks=[default,early_stopping] too"
    strategy = trainer.get("strategy")
    named = str(strategy.get("_target_") if isinstance(strategy, Mapping) else strategy)
    for name, target in targets.items():
        if target == "src.callbacks.ema.EMA" and named.rpartition(".")[2].startswith(("fsdp", "deepspeed")):
            yield f"callbacks.{name}", "sharded parameters cannot be averaged", "type trainer=ddp, or leave it away"
