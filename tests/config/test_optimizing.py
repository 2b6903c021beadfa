"""What torch's optimizers and schedules refuse is told by the check; every one of torch's is walked."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch.optim import lr_scheduler

from src.config import saved
from src.config.command import compose
from src.config.problems import ConfigurationError
from src.models.stepping import made_optimizer, made_schedule, moves_every_step
from src.runs.training import partial
from tests.config.conftest import lines_of, problems_of

CANNOT = {"LBFGS", "SparseAdam", "Muon", "Optimizer"}
NEEDED = {
    "CosineAnnealingLR": ("T_max=2",),
    "CosineAnnealingWarmRestarts": ("T_0=1",),
    "CyclicLR": ("base_lr=0.001", "max_lr=0.1"),
    "ExponentialLR": ("gamma=0.9",),
    "MultiStepLR": ("milestones=[1]",),
    "OneCycleLR": ("max_lr=0.1",),
    "StepLR": ("step_size=1",),
}
"""The arguments of torch's schedules that have no default."""
OF_OTHERS = {"ChainedScheduler", "SequentialLR", "LambdaLR", "MultiplicativeLR", "LRScheduler"}


def classes(module, base) -> list[str]:
    members = inspect.getmembers(module, inspect.isclass)
    return [name for name, kind in members if issubclass(kind, base) and not name.startswith("_")]


def step(*overrides: str) -> bool:
    """Take one step of a tiny network with groups of parameters, as training does; return whether the rate moves."""
    config = saved.plain(compose("train", list(overrides)).config)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1]},
        {"params": [p for p in network.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = made_optimizer(partial(config["optimizer"]), groups)
    schedule = made_schedule(partial(config["scheduler"]), optimizer=optimizer, total_steps=6, steps_per_epoch=3)
    network(torch.ones(2, 1, 4, 4)).sum().backward()
    optimizer.step()
    return moves_every_step(schedule)


@pytest.mark.parametrize("name", classes(torch.optim, torch.optim.Optimizer))
def test_every_optimizer_of_torch_takes_a_step_or_is_refused_by_the_check(name):
    known = inspect.signature(getattr(torch.optim, name)).parameters
    shared = [
        f"~optimizer.{key}" for key in ("betas", "eps", "weight_decay") if key not in known or name == "Adafactor"
    ]
    typed = ["optimizer=adam", f"optimizer._target_=torch.optim.{name}", *shared]
    if name in CANNOT:
        assert any(
            f"torch.optim.{name}" in line and "type optimizer=" in line for line in lines_of(problems_of(*typed))
        )
    else:
        step(*typed)


@pytest.mark.parametrize("name", classes(lr_scheduler, lr_scheduler.LRScheduler))
def test_every_schedule_of_torch_is_built_or_is_refused_by_the_check(name):
    values = [f"scheduler.{value}" for value in NEEDED.get(name, ())]
    typed = ["scheduler=constant", "~scheduler.warmup_epochs", f"scheduler._target_=torch.optim.lr_scheduler.{name}"]
    if name in OF_OTHERS:
        assert any(name in line and "type scheduler=" in line for line in lines_of(problems_of(*typed)))
        return
    assert step(*typed, *values) == (name in ("OneCycleLR", "CyclicLR"))
    if values:  # what is missing is named
        assert any("is missing" in line for line in lines_of(problems_of(*typed)))


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["optimizer.fused=true", "optimizer.foreach=true"], "two ways to do the same"),
        (["optimizer.momentum=0"], "needs a momentum"),
        (["optimizer.dampening=0.5"], "must be 0 with optimizer.nesterov=true"),
        (["optimizer.differentiable=true"], "leave it out"),
        (["optimizer.lr=-1"], "at least 0"),
        (["optimizer=adam", "optimizer.betas=[0.9,1]"], "less than 1"),
        (["optimizer=adam", "optimizer.eps=-1"], "at least 0"),
        (["optimizer=rmsprop", "optimizer.fused=true"], "unknown to torch.optim.RMSprop"),
        (["optimizer._target_=torch.optim.lr_scheduler.StepLR"], "takes no params"),
        (["scheduler._target_=torch.optim.SGD"], "takes no optimizer"),
        (["network._target_=torch.nn.Linear"], "takes no num_classes"),
        (["model._target_=src.networks.lenet.lenet"], "is of another kind"),
        (["scheduler._target_=torch.optim.lr_scheduler.StepLR", "scheduler.step_size=0"], "at least 1"),
        (["trainer.strategy=ddp_spawn"], "type trainer=ddp"),
        (["trainer.accelerator=cpu", "trainer.devices=[0,1]"], "type trainer.devices=1"),
        (["trainer.accelerator=cpu", "trainer.strategy=fsdp"], "needs GPUs"),
        (["trainer.barebones=true"], "leave it out"),
        (["trainer.val_check_interval=0"], "at least 1"),
        (["trainer.devices=0"], "at least 1"),
    ],
)  # fmt: skip
def test_what_a_library_refuses_later_is_told_by_the_check(typed, words):
    assert words in "\n".join(lines_of(problems_of(*typed)))


def test_a_momentum_that_an_optimizer_lacks_is_not_cycled():
    typed = ["optimizer=adam", "optimizer._target_=torch.optim.Adagrad", "~optimizer.betas", "scheduler=constant"]
    typed += [
        "scheduler._target_=torch.optim.lr_scheduler.OneCycleLR",
        "~scheduler.warmup_epochs",
        "scheduler.max_lr=1",
    ]
    with pytest.raises(ConfigurationError, match=r"scheduler\.cycle_momentum=false"):
        compose("train", typed)
    assert step(*typed, "scheduler.cycle_momentum=false")
