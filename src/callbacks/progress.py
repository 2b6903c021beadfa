"""What a person sees while a network trains: a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from tqdm import tqdm

from src.callbacks.after_metrics import AfterMetrics
from src.models.base import ImageModule, is_logged

log = logging.getLogger(__name__)


class Progress(AfterMetrics):
    """Loss, the monitored metric, images per second and the time left. Counts the images and seconds of training too.

    The loss shown is that of the last logged step, so nothing waits for the device in between.
    """

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor
        self.images = 0
        self.seconds = 0.0
        """Of training steps alone, without validation and checkpoints."""
        self._bar: tqdm[Any] | None = None
        self._epoch_start = (0, 0.0)
        self._began = self._resumed_at = 0.0
        self._validation = 0.0

    @property
    def images_per_second(self) -> float:
        """Return the rate over the whole training so far, of all processes together."""
        return self.images / self.seconds if self.seconds else 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note where and when training starts, for the time left."""
        self._began, self._resumed_at = time.monotonic(), trainer.current_epoch
        self._epoch_start = (self.images, self._began)  # a continued epoch is not started again

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar of the epoch."""
        self._epoch_start, self._validation = (self.images, time.monotonic()), 0.0
        if trainer.is_global_zero and sys.stderr.isatty():
            total, done = int(trainer.num_training_batches), trainer.fit_loop.epoch_loop.batch_progress.current.ready
            self._bar = tqdm(
                total=total, initial=done, desc=_epoch(trainer), unit="batch", leave=False, mininterval=0.2
            )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the batch."""
        self.images += len(batch["index"]) * trainer.world_size
        if self._bar is not None:
            if is_logged(trainer, trainer.global_step):
                assert isinstance(pl_module, ImageModule)
                self._bar.set_postfix_str(self._figures(trainer, float(pl_module.last_loss)), refresh=False)
            self._bar.update()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock of training."""
        self._validation -= time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of training again."""
        self._validation += time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar and print the epoch's line."""
        images, start = self._epoch_start
        self.seconds += (seconds := time.monotonic() - start - self._validation)
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if trainer.is_global_zero:
            rate = (self.images - images) / seconds if seconds else 0.0
            shown = [key for key in ("train/loss", "val/loss", self.monitor) if key in trainer.callback_metrics]
            figures = "  ".join(f"{key} {float(trainer.callback_metrics[key]):.4f}" for key in dict.fromkeys(shown))
            log.info("%s  %s  %s images/s  %s", _epoch(trainer), figures, f"{rate:,.0f}", self._left(trainer))

    def _figures(self, trainer: Trainer, loss: float) -> str:
        seconds = time.monotonic() - self._epoch_start[1] - self._validation
        rate = (self.images - self._epoch_start[0]) / seconds
        known = trainer.callback_metrics.get(self.monitor)
        metric = "" if known is None else f", {self.monitor} {float(known):.3f}"
        return f"loss {loss:.3f}{metric}, {rate:,.0f} images/s"

    def _left(self, trainer: Trainer) -> str:
        if not trainer.max_epochs or trainer.max_epochs < 0:
            return ""
        done = trainer.current_epoch + 1
        each = (time.monotonic() - self._began) / max(1, done - self._resumed_at)
        minutes, seconds = divmod(round(each * (trainer.max_epochs - done)), 60)
        return f"{minutes}:{seconds:02d} left"


def _epoch(trainer: Trainer) -> str:
    total = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else "?"
    return f"epoch {trainer.current_epoch + 1}/{total}"
