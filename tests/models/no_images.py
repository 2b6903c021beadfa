"""A callback that ends a training whose batches hold images: named in a configuration, it watches every process."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer


class NoImages(Callback):
    """Raises AssertionError at the first batch of training with an image."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Look at a batch."""
        assert "features" in batch
        assert not {"image", "parts"} & set(batch)
