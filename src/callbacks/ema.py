"""An exponential moving average of the weights."""

from __future__ import annotations

import logging
import math
from itertools import chain
from typing import Annotated, Any

import torch
from annotated_types import Interval
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.strategies import FSDPStrategy
from torch import Tensor, nn

from src.errors import UserError

log = logging.getLogger(__name__)

MUCH = 0.05
"""A share of the first weights in the last average from which on something is said."""


class EMA(WeightAveraging):
    """Averages weights and normalisation statistics after every optimizer step (Polyak and Juditsky 1992).

    Validation measures the averaged weights, and they are what best.ckpt and weights.safetensors hold. What does not
    change, such as frozen layers, is its own average to the bit.

    With `warmup` the decay after n updates is at most (1 + n) / (10 + n), as in TensorFlow's ExponentialMovingAverage:
    so the average is over about a tenth of the steps so far until `decay` is reached, and a short training does not end
    at the weights that it began with.
    """

    def __init__(self, *, decay: Annotated[float, Interval(gt=0, lt=1)], warmup: bool = True) -> None:
        self.decay, self.warmup = decay, warmup
        super().__init__()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begin with a copy of the model. Raises UserError where parameters are sharded: the copy's are not."""
        if isinstance(trainer.strategy, FSDPStrategy):
            raise UserError("callbacks.ema: sharded parameters cannot be averaged; type trainer=ddp, or leave ema away")
        super().setup(trainer, pl_module, stage)

    def decay_after(self, updates: int) -> float:
        """Return the decay of the next update, given how many there were since the average began with the weights."""
        return min(self.decay, (1 + updates) / (10 + updates)) if self.warmup else self.decay

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Warn where the training is too short for the decay; the average is continued, not begun anew."""
        super().on_train_start(trainer, pl_module)
        steps = trainer.estimated_stepping_batches
        if self.warmup or not math.isfinite(steps) or (share := self.decay ** max(0, steps - 1)) < MUCH:
            return
        log.warning(
            "callbacks.ema: after %d steps the average will hold %.0f %% of the weights after the first one; type "
            "callbacks.ema.warmup=true, or callbacks.ema.decay=%.3g",
            *(steps, 100 * share, MUCH ** (1 / max(1, steps - 1))),
        )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Follow the weights after an optimizer step; after the first one, begin with them.

        torch's own update reads its counter from the device at every step, and so waits for it.
        """
        if trainer.global_step > self._latest_update_step:
            assert self._average_model is not None
            decay = self.decay_after(trainer.global_step - 1) if self._latest_update_step else None
            self._follow(self._average_model.module, pl_module, decay)
            self._average_model.n_averaged += 1
            self._latest_update_step = trainer.global_step

    @torch.no_grad()
    def _follow(self, averaged: nn.Module, model: nn.Module, decay: float | None) -> None:
        averages: list[Tensor] = []
        currents: list[Tensor] = []
        for average, current in zip(_tensors(averaged), _tensors(model), strict=True):
            if decay is None or not current.is_floating_point():  # counters
                average.copy_(current)
            else:
                averages.append(average)
                currents.append(current)
        if averages and decay is not None:
            changes = torch._foreach_sub(currents, averages)  # zero, exactly, where the two are equal
            torch._foreach_mul_(changes, 1 - decay)
            torch._foreach_add_(averages, changes)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the averaged weights in place until the module has computed its metrics, which comes after this."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the plain weights back; what validation chose, such as a threshold, belongs to both from now on.

        Checkpoints are written after this.
        """
        if self._average_model is not None:
            self.put_back(pl_module)
            for name in getattr(pl_module, "measured", ()):
                pl_module.get_buffer(name).copy_(self._average_model.module.get_buffer(name))

    def put_back(self, pl_module: LightningModule) -> None:
        """Put the plain weights back: at the end of a validation, or where one is broken off."""
        if self._average_model is not None:
            self._swap_models(pl_module)


def _tensors(module: nn.Module) -> chain[Tensor]:
    return chain(module.parameters(), module.buffers())
