"""What a person sees while a split is measured after training, or by `evaluate`."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from src.progress import Advance


class Measuring(Callback):
    """Shows how many batches of the split are done: on the whole of a large test set that takes minutes."""

    def __init__(self) -> None:
        self._advance: Advance | None = None

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count."""
        split = trainer.datamodule.measured_split  # type: ignore[attr-defined]
        self._advance = Advance(f"Measuring {split}", int(sum(trainer.num_test_batches)), unit="batches")

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count the batch."""
        if self._advance is not None:
            self._advance.update()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the bar away."""
        if self._advance is not None:
            self._advance.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the bar away, and say nothing of an end that was not reached."""
        if self._advance is not None:
            self._advance.leave()
