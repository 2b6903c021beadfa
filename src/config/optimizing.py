"""What torch's optimizers and schedules cannot take, told before torch is imported.

Each rule is one that torch 2.15 applies in a constructor or at the first step (torch/optim/).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from src.config.composed import Composed
from src.config.problems import Problem
from src.config.signatures import NoSuchTarget, signature

OPTIMIZERS = {
    "LBFGS": "steps by evaluating the loss several times, and takes no groups of parameters",
    "SparseAdam": "takes sparse gradients alone, which no network here has",
    "Muon": "takes matrices alone, and networks have convolutions and biases",
    "Optimizer": "is what optimizers are derived from",
}
"""Optimizers of torch that no network here can be trained with, and why."""

SCHEDULES = {
    "ChainedScheduler": "is made of other schedules, which take the optimizer that is made later",
    "SequentialLR": "is made of other schedules, which take the optimizer that is made later",
    "LambdaLR": "is made of a function, which no configuration can hold",
    "MultiplicativeLR": "is made of a function, which no configuration can hold",
    "LRScheduler": "is what schedules are derived from",
    "_LRScheduler": "is what schedules are derived from",
}


def problems(composed: Composed, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what an optimizer or a schedule of torch would refuse when the network is there."""
    optimizer, scheduler = (values.get(name) or {} for name in ("optimizer", "scheduler"))
    found: list[tuple[str, str, str]] = []
    if "optimizer" not in composed.unsure:
        found += _unfit(optimizer, "optimizer", OPTIMIZERS, "torch.optim.")
        found += _combinations(optimizer)
    if "scheduler" not in composed.unsure:
        found += _unfit(scheduler, "scheduler", SCHEDULES, "torch.optim.lr_scheduler.")
        found += _momentum_cycles(scheduler, optimizer)
    yield from (Problem(*composed.origins.of(key), what, hint) for key, what, hint in found)


_Found = Iterator[tuple[str, str, str]]
"""A key, what is wrong with it, and what to type."""


def _unfit(section: Mapping[str, Any], key: str, unfit: Mapping[str, str], package: str) -> _Found:
    name = _torch_name(section)
    if name in unfit and str(section["_target_"]).startswith(package):
        others = "sgd, adam, adamw or rmsprop" if key == "optimizer" else "cosine, onecycle, step or plateau"
        yield f"{key}._target_", f"{name} {unfit[name]}", f"type {key}= with {others}"


def _combinations(section: Mapping[str, Any]) -> _Found:
    """Yield values of an optimizer that exclude each other."""
    if not str(section.get("_target_")).startswith("torch.optim."):
        return
    if section.get("fused") and section.get("foreach"):
        yield "optimizer.foreach", "and optimizer.fused are two ways to do the same", "leave out one of the two"
    if section.get("differentiable"):
        what = "is for gradients through the optimizer's own step, which no training here takes"
        yield "optimizer.differentiable", what, "leave it out"
    if section.get("nesterov") and _torch_name(section) == "SGD":
        if not section.get("momentum"):
            yield "optimizer.nesterov", "needs a momentum", "type optimizer.momentum=0.9, or optimizer.nesterov=false"
        elif section.get("dampening"):
            yield "optimizer.dampening", "must be 0 with optimizer.nesterov=true", "type optimizer.nesterov=false"


def _momentum_cycles(section: Mapping[str, Any], optimizer: Mapping[str, Any]) -> _Found:
    """Yield where a schedule of torch would move a momentum that the optimizer does not have."""
    name, target = _torch_name(section), optimizer.get("_target_")
    if name not in ("OneCycleLR", "CyclicLR") or section.get("cycle_momentum", True) is not True:
        return
    try:
        known = signature(target).parameters if isinstance(target, str) else {}
    except NoSuchTarget:
        return
    if known and not {"momentum", "betas"} & set(known):
        what = f"{name} also moves the momentum, and {target} has none"
        yield "scheduler._target_", what, "type scheduler.cycle_momentum=false"


def _torch_name(section: Mapping[str, Any]) -> str:
    """Return the name of the class that a section names where it is torch's, however it is spelt."""
    target = str(section.get("_target_"))
    return target.rpartition(".")[2] if target.startswith("torch.optim.") else ""
