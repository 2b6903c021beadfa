"""What a person sees while a network trains: a bar on a terminal, elsewhere a line now and then and one per epoch."""

from __future__ import annotations

import logging
import time
from typing import Any

from pytorch_lightning import LightningModule, Trainer

from src.callbacks.after_metrics import AfterMetrics
from src.models.base import ImageModule, is_logged
from src.progress import EVERY, FIRST, Advance, clock

log = logging.getLogger(__name__)


class Progress(AfterMetrics):
    """Loss, the monitored metric, images per second and the time left. Counts the images and seconds of training too.

    The loss shown is that of the last logged step, so nothing waits for the device in between. Without a terminal the
    first line comes after some seconds, also within the first epoch or validation.
    """

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor
        self.images = 0
        self.seconds = 0.0
        """Of training steps alone, without validation and checkpoints."""
        self._advance: Advance | None = None
        self._validating: Advance | None = None
        self._first = FIRST
        self._epoch_start = (0, 0.0)
        self._began = self._share_before = 0.0
        self._validation = 0.0

    @property
    def images_per_second(self) -> float:
        """Return the rate over the whole training so far, of all processes together."""
        return self.images / self.seconds if self.seconds else 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note where and when training starts, for the time left; an epoch that is continued is not started again."""
        self._began = time.monotonic()
        self._share_before = _share(trainer, trainer.current_epoch)
        self._epoch_start = (self.images, self._began)
        done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        if 0 < done < trainer.num_training_batches:
            self._open(trainer, done)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar of the epoch."""
        self._epoch_start, self._validation = (self.images, time.monotonic()), 0.0
        self._open(trainer, 0)  # Lightning's own count is still that of the epoch before

    def _open(self, trainer: Trainer, done: int) -> None:
        total = int(trainer.num_training_batches)
        self._advance = Advance(_epoch(trainer), total, unit="batches", done=done, first=self._first)
        self._first = EVERY

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the batch."""
        self.images += len(batch["index"]) * trainer.world_size
        if self._advance is not None:
            figures = None
            if trainer.is_global_zero and is_logged(trainer, trainer.global_step):
                assert isinstance(pl_module, ImageModule)
                figures = self._figures(trainer, float(pl_module.last_loss))
            self._advance.update(figures=figures)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock of training, and open a bar."""
        self._validation -= time.monotonic()
        batches = trainer.num_sanity_val_batches if trainer.sanity_checking else trainer.num_val_batches
        what = "trying a validation" if trainer.sanity_checking else f"{_epoch(trainer)}, validation"
        first = FIRST if trainer.sanity_checking else self._first
        self._validating = Advance(what, int(sum(batches)), unit="batches", first=first)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count the batch."""
        if self._validating is not None:
            self._validating.update()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of training again."""
        self._validation += time.monotonic()
        if self._validating is not None:
            self._validating.close()
            self._validating = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar and print the epoch's line: its own figures, not those of an earlier validation."""
        images, start = self._epoch_start
        self.seconds += (seconds := time.monotonic() - start - self._validation)
        if self._advance is not None:
            self._advance.leave()
            self._advance = None
        if trainer.is_global_zero:
            assert isinstance(pl_module, ImageModule)
            rate = (self.images - images) / seconds if seconds else 0.0
            known = {"train/loss": float(trainer.callback_metrics["train/loss"])} | pl_module.validated
            shown = dict.fromkeys(key for key in ("train/loss", "val/loss", self.monitor) if key in known)
            figures = "  ".join(f"{key} {known[key]:.4f}" for key in shown)
            log.info("%s  %s  %s images/s  %s", _epoch(trainer), figures, f"{rate:,.0f}", self._left(trainer))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the bars away."""
        for advance in (self._validating, self._advance):
            if advance is not None:
                advance.leave()
        self._validating = self._advance = None

    def _figures(self, trainer: Trainer, loss: float) -> str:
        seconds = time.monotonic() - self._epoch_start[1] - self._validation
        rate = (self.images - self._epoch_start[0]) / seconds
        known = trainer.callback_metrics.get(self.monitor)
        metric = "" if known is None else f", {self.monitor} {float(known):.3f}"
        return f"loss {loss:.3f}{metric}, {rate:,.0f} images/s"

    def _left(self, trainer: Trainer) -> str:
        share = _share(trainer, trainer.current_epoch + 1)
        fresh = share - self._share_before
        if not share or fresh <= 0:
            return ""
        return f"{clock((time.monotonic() - self._began) / fresh * max(0.0, 1 - share))} left"


def _share(trainer: Trainer, epochs: int) -> float:
    """Return how much of the training is done after so many epochs; zero where nobody said how long it is."""
    by_epochs = epochs / trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else 0.0
    return max(by_epochs, trainer.global_step / trainer.max_steps if trainer.max_steps > 0 else 0.0)


def _epoch(trainer: Trainer) -> str:
    total = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
    return f"epoch {trainer.current_epoch + 1}{total}"
