"""An exponential moving average of the weights."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any

import torch
from annotated_types import Interval
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.strategies import FSDPStrategy
from torch import Tensor, nn

from src.errors import UserError


class EMA(WeightAveraging):
    """Averages weights and normalisation statistics after every optimizer step (Polyak and Juditsky 1992).

    Validation measures the averaged weights, and they are what best.ckpt and weights.safetensors hold. What does not
    change, such as frozen layers, is its own average to the bit.
    """

    def __init__(self, *, decay: Annotated[float, Interval(gt=0, lt=1)]) -> None:
        self.decay = decay
        super().__init__()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begin with a copy of the model. Raises UserError where parameters are sharded: the copy's are not."""
        if isinstance(trainer.strategy, FSDPStrategy):
            raise UserError("callbacks.ema: sharded parameters cannot be averaged; type trainer=ddp, or leave ema away")
        super().setup(trainer, pl_module, stage)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Follow the weights after an optimizer step; after the first one, begin with them.

        torch's own update reads its counter from the device at every step, and so waits for it.
        """
        if trainer.global_step > self._latest_update_step:
            assert self._average_model is not None
            self._follow(self._average_model.module, pl_module, first=self._latest_update_step == 0)
            self._average_model.n_averaged += 1
            self._latest_update_step = trainer.global_step

    @torch.no_grad()
    def _follow(self, averaged: nn.Module, model: nn.Module, *, first: bool) -> None:
        averages: list[Tensor] = []
        currents: list[Tensor] = []
        for average, current in zip(_tensors(averaged), _tensors(model), strict=True):
            if first or not current.is_floating_point():  # counters
                average.copy_(current)
            else:
                averages.append(average)
                currents.append(current)
        if averages:
            changes = torch._foreach_sub(currents, averages)  # zero, exactly, where the two are equal
            torch._foreach_mul_(changes, 1 - self.decay)
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
