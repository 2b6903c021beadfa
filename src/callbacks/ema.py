"""An exponential moving average of the weights."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval
from pytorch_lightning.callbacks import EMAWeightAveraging


class EMA(EMAWeightAveraging):
    """Averages weights and normalisation statistics after every optimizer step (Polyak and Juditsky 1992).

    Validation measures the averaged weights, and they are what best.ckpt and weights.safetensors hold.
    """

    def __init__(self, *, decay: Annotated[float, Interval(gt=0, lt=1)]) -> None:
        super().__init__(decay=decay)
