"""torch's fused optimizers: one operation over all parameters in place of several for each of them."""

from __future__ import annotations

import inspect
from functools import partial

from pytorch_lightning import Trainer
from pytorch_lightning.plugins.precision import MixedPrecision
from pytorch_lightning.strategies import FSDPStrategy
from torch.optim import SGD, Optimizer

from src.errors import UserError

CHOICES = ("fused", "foreach", "differentiable", "capturable")
"""How an optimizer's arithmetic is carried out: where one of them is typed, nothing is chosen here."""
DEVICES = ("cpu", "cuda")


def fused_where_possible(
    optimizer: partial[Optimizer], trainer: Trainer, *, all_at_once: bool = True
) -> partial[Optimizer]:
    """Return the optimizer with `fused=True` where torch has that and nothing about it was typed.

    Not where parameters are sharded; nor where gradients are clipped in mixed precision, which Lightning refuses: with
    float16 a fused optimizer takes the scale off within its step, when it is too late to clip; nor SGD where not all
    parameters begin to learn at once (`all_at_once`): torch's fused form cannot begin the momentum of some later than
    that of others. Raises UserError where `optimizer.fused=true` asks for one of the last two.
    """
    typed = {name: optimizer.keywords[name] for name in CHOICES if optimizer.keywords.get(name) is not None}
    clips = clips_in_mixed_precision(trainer)
    if typed.get("fused") and clips:
        raise UserError(
            "optimizer.fused=true cannot clip gradients (trainer.gradient_clip_val) in mixed precision: leave it out, "
            "or type optimizer.fused=false"
        )
    too_late = not all_at_once and inspect.isclass(optimizer.func) and issubclass(optimizer.func, SGD)
    if typed.get("fused") and too_late:
        raise UserError(
            "optimizer.fused=true: torch's fused SGD cannot follow a plan of what learns when (model.trainable); type "
            "optimizer.fused=false, or optimizer=adamw"
        )
    if typed or clips or too_late or not has_fused(optimizer.func) or isinstance(trainer.strategy, FSDPStrategy):
        return optimizer
    if trainer.strategy.root_device.type not in DEVICES:
        return optimizer
    return partial(optimizer.func, *optimizer.args, **{**optimizer.keywords, "fused": True})


def has_fused(optimizer: object) -> bool:
    """Return whether an optimizer is one of torch's with a fused form (SGD, Adam, AdamW, Adagrad)."""
    if not inspect.isclass(optimizer) or not optimizer.__module__.startswith("torch.optim"):
        return False
    return "fused" in inspect.signature(optimizer).parameters


def clips_in_mixed_precision(trainer: Trainer) -> bool:
    """Return whether gradients are clipped that mixed precision found."""
    return isinstance(trainer.precision_plugin, MixedPrecision) and bool(trainer.gradient_clip_val)
