"""The first number that is not finite, by name."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.optim import Optimizer


class NotFinite(RuntimeError):
    """A loss, gradient or weight is NaN or infinite; the message names it and its step."""


class Finite(Callback):
    """Checks loss, gradients and weights at every step. Waits for the device each time: for debugging only."""

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Check the gradients that are about to be applied."""
        for name, parameter in pl_module.named_parameters():
            if parameter.grad is not None:
                self._check(trainer, f"the gradient of {name}", parameter.grad)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check the loss and the new weights."""
        self._check(trainer, f"the loss of batch {batch_idx} (samples {batch['index'].tolist()})", outputs["loss"])
        for name, parameter in pl_module.named_parameters():
            self._check(trainer, f"weight {name}", parameter)

    def _check(self, trainer: Trainer, what: str, values: torch.Tensor) -> None:
        if not torch.isfinite(values).all():
            raise NotFinite(f"step {trainer.global_step}, epoch {trainer.current_epoch}: {what} is not finite")
