"""Arguments of Lightning's Trainer that cannot work here, or would be taken and do nothing, told before its import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from src.config.composed import Composed
from src.config.problems import Problem

STARTS_ITSELF_OTHERWISE = ("spawn", "fork", "notebook")
"""Strategies whose processes begin in the middle of a training, without the command line that ours are told by."""

WITHOUT_USE = {
    "barebones": "is for measuring Lightning alone: it refuses checkpoints and metrics",
    "enable_autolog_hparams": "does nothing here: config.yaml has all settings",
    "model_registry": "does nothing here: nothing is uploaded but to W&B",
    "limit_predict_batches": "does nothing here: src.predict takes images, not batches",
}


def problems(composed: Composed, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what of a trainer Lightning would refuse late, or take and ignore."""
    trainer = values.get("trainer")
    if "trainer" in composed.unsure or not isinstance(trainer, Mapping):
        return
    found = [*_strategy(trainer), *_devices(trainer), *_without_use(trainer)]
    yield from (Problem(*composed.origins.of(f"trainer.{key}"), what, hint) for key, what, hint in found)


def _strategy(trainer: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    strategy, accelerator = trainer.get("strategy"), trainer.get("accelerator")
    if not isinstance(strategy, str):
        return
    if any(word in strategy for word in STARTS_ITSELF_OTHERWISE):
        yield "strategy", f"{strategy} starts processes that know nothing of the run's directory", "type trainer=ddp"
    if strategy.startswith(("fsdp", "deepspeed")) and accelerator == "cpu":
        yield "strategy", f"{strategy} needs GPUs", "type trainer=ddp_cpu for processes on the CPU"


def _devices(trainer: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    devices = trainer.get("devices")
    is_count = isinstance(devices, int) and devices > 0
    if trainer.get("accelerator") == "cpu" and not is_count and devices != "auto" and not str(devices).isdigit():
        yield "devices", f"{devices}: on a CPU this is a number of processes", "type trainer.devices=1"


def _without_use(trainer: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key, why in WITHOUT_USE.items():
        if trainer.get(key):
            yield key, why, "leave it out"
