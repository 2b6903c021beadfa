"""Whether a network has learned its few training images by heart (`debug=overfit`)."""

from __future__ import annotations

import logging

from pytorch_lightning import LightningModule, Trainer

from src.callbacks.after_metrics import AfterMetrics

log = logging.getLogger(__name__)


class ByHeart(AfterMetrics):
    """Says at the end whether the last epoch had all of its images right, where the task has an accuracy."""

    def __init__(self) -> None:
        self._images = 0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note how many images an epoch has."""
        self._images = len(trainer.datamodule.splits["train"])  # type: ignore[attr-defined]

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say it, with the figures of the last epoch."""
        known = {key: float(value) for key, value in trainer.callback_metrics.items() if key.startswith("train/")}
        loss = known.get("train/loss")
        if loss is None:
            return
        accuracy = known.get("train/accuracy")
        if accuracy is None:
            log.info("learned by heart: train/loss was %.4f in the last epoch, and should come near zero", loss)
            return
        right = round(accuracy * self._images)
        answer = "yes" if right == self._images else "no"
        hint = "" if answer == "yes" else "; train longer (trainer.max_epochs), or look at the labels (debug=batch)"
        log.info(
            "learned by heart: %s, %d of %d in the last epoch, train/loss %.4f%s",
            *(answer, right, self._images, loss, hint),
        )
