"""An exponential moving average of the weights."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import EMAWeightAveraging


class EMA(EMAWeightAveraging):
    """Averages weights and normalisation statistics after every optimizer step (Polyak and Juditsky 1992).

    Validation measures the averaged weights, and they are what best.ckpt and weights.safetensors hold.
    """

    def __init__(self, *, decay: Annotated[float, Interval(gt=0, lt=1)]) -> None:
        super().__init__(decay=decay)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give what this validation measured, such as a threshold, to the weights that it measured.

        Lightning has put the plain weights back by now, and checkpoints are written after this.
        """
        if self._average_model is not None:
            for name in getattr(pl_module, "measured", ()):
                self._average_model.module.get_buffer(name).copy_(pl_module.get_buffer(name))
