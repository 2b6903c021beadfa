"""An exponential moving average of the weights."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor


class EMA(WeightAveraging):
    """Averages weights and normalisation statistics after every optimizer step (Polyak and Juditsky 1992).

    Validation measures the averaged weights, and they are what best.ckpt and weights.safetensors hold. What does not
    change, such as frozen layers, is its own average to the bit.
    """

    def __init__(self, *, decay: Annotated[float, Interval(gt=0, lt=1)]) -> None:
        self.decay = decay
        super().__init__(avg_fn=self._average)

    def _average(self, average: Tensor, current: Tensor, _: Tensor | int) -> Tensor:
        if not current.is_floating_point():  # counters
            return current
        return average + (1 - self.decay) * (current - average)  # exactly `current` where the two are equal

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the averaged weights in place until the module has computed its metrics, which comes after this."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the plain weights back; what validation chose, such as a threshold, belongs to both from now on.

        Checkpoints are written after this.
        """
        if self._average_model is not None:
            self._swap_models(pl_module)
            for name in getattr(pl_module, "measured", ()):
                pl_module.get_buffer(name).copy_(self._average_model.module.get_buffer(name))
