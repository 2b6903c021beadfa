"""Transfer learning: the network of a source, a new head, and frozen layers (chapter, section 6.4)."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.strategies import FSDPStrategy
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from src.models.base import Batch
from src.models.classifier import Classifier
from src.networks.penultimate import Penultimate
from src.progress import progress

if TYPE_CHECKING:
    from src.data.module import ImageData
    from src.report.page import Section

log = logging.getLogger(__name__)

KEPT_BYTES = 2 * 1024**3
"""Memory that kept features may take."""
SPLITS = ("train", "val")
"""What an epoch reads: nothing else is kept."""


class Transfer(Classifier):
    """A classifier whose network comes from `source`, with a new head for these classes.

    With `keep_features`, where the head alone learns and augmentation changes nothing, what the head is given is
    computed once for all images of train and val; the epochs then need neither images nor the rest of the network.
    """

    needs_source: ClassVar[bool] = True

    def __init__(self, *, keep_features: bool, **options: Any) -> None:
        super().__init__(**options)
        self.keep_features = keep_features
        self.images_kept = 0
        self.seconds_to_keep = 0.0
        self.seconds_of_epochs: list[float] = []
        """Of whole epochs of this process, their validations included."""
        self._began: float | None = None
        self._penultimate: Penultimate | None = None

    def scores(self, batch: Batch) -> Any:
        """Return the network's outputs for a batch of images, or of what the head is given."""
        if "features" not in batch:
            return super().scores(batch)
        assert self._penultimate is not None
        return self._penultimate.outputs(batch["features"])

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Compute what the head is given, where it stays the same in every epoch; then as every model.

        Later is too late: a schedule asks for the number of steps, for which Lightning makes the training loader, and
        that goes on to read what it was made for. Earlier the weights are neither restored nor on their device.
        """
        data: ImageData = self.trainer.datamodule  # type: ignore[attr-defined]
        reason = self._why_not(data)
        if reason is None:
            reason = self._keep(data)
        if reason is not None and self.keep_features and self.freezing.plan == {0: "head"}:
            log.info("What the head is given is computed in every epoch: %s", reason)
        return super().configure_optimizers()

    def _why_not(self, data: ImageData) -> str | None:
        """Return why features cannot be kept, or would not be worth it, None where they can."""
        if not self.keep_features:
            return "model.keep_features=false"
        if self.freezing.plan != {0: "head"}:
            return "more than the head learns (model.trainable)"
        if data.augment.changes_images:
            return "each epoch sees other images (augment=none would keep them)"
        if isinstance(self.trainer.strategy, FSDPStrategy):
            return "trainer=fsdp divides the network among processes"
        if images_seen(self.trainer, data) < len(data.splits["train"]):
            return "the training ends before it has seen all images once"
        return "model.test_time_flip" if self.test_time_flip else None

    def _keep(self, data: ImageData) -> str | None:
        """Compute and keep the features of train and val; returns why not where they cannot be kept."""
        start = time.perf_counter()
        penultimate = Penultimate(self.network)
        kept: dict[str, dict[str, Tensor]] = {}
        was_training = self.network.training
        self.network.eval()
        try:
            for split in SPLITS:
                parts: list[dict[str, Tensor]] = []
                for batch in progress(data.in_order(split), f"Computing features of {split}", unit="batches"):
                    moved = self.transfer_batch_to_device(batch, self.device, 0)
                    images = self.as_network_takes_them(data.normalized(data.with_images(moved))["image"])
                    with torch.no_grad(), self.trainer.precision_plugin.forward_context():
                        features = penultimate.features(images)
                    if features is None:
                        return "this network goes on after its head in a way that cannot be told from its modules"
                    if features[0].nbytes * sum(len(data.splits[name]) for name in SPLITS) > KEPT_BYTES:
                        return f"they would take more than {KEPT_BYTES // 1024**3} GiB"
                    parts.append({key: moved[key].cpu() for key in ("label", "index")} | {"features": features.cpu()})
                kept[split] = {key: torch.cat([part[key] for part in parts]) for key in parts[0]} if parts else {}
        finally:
            self.network.train(was_training)
        data.kept = {split: tensors for split, tensors in kept.items() if tensors}
        self._penultimate = penultimate
        self.seconds_to_keep = time.perf_counter() - start
        self.images_kept = sum(len(tensors["index"]) for tensors in data.kept.values())
        log.info("features of %d images kept, computed in %.1f s", self.images_kept, self.seconds_to_keep)
        return None

    def on_train_epoch_start(self) -> None:
        """Begin to measure how long an epoch takes."""
        super().on_train_epoch_start()
        self._began = time.perf_counter()

    def on_train_epoch_end(self) -> None:
        """Remember how long the epoch took, unless an earlier process has begun it."""
        super().on_train_epoch_end()
        if self._began is not None:
            self.seconds_of_epochs.append(time.perf_counter() - self._began)

    def on_fit_end(self) -> None:
        """Let what comes after training see images again."""
        data: ImageData = self.trainer.datamodule  # type: ignore[attr-defined]
        data.kept = {}

    def report_sections(self) -> list[Section]:
        """Return what keeping the features took, and what epochs over them did."""
        from src.report.transfer import kept_section

        if self._penultimate is None or not self.seconds_of_epochs:
            return []
        return [kept_section(self.images_kept, self.seconds_to_keep, self.seconds_of_epochs)]


def images_seen(trainer: Trainer, data: ImageData) -> float:
    """Return how many images a training sees in all, over all processes and epochs; infinity where nothing ends it."""
    batches = math.ceil(len(data.splits["train"]) / (data.batch_size * trainer.world_size))
    limit = trainer.limit_train_batches
    each = min(batches, limit) if isinstance(limit, int) else int(batches * (1.0 if limit is None else limit))
    epochs, steps = trainer.max_epochs, trainer.max_steps
    seen = math.inf if epochs is None or epochs < 0 else each * epochs
    if steps >= 0:
        seen = min(seen, steps * trainer.accumulate_grad_batches)
    return seen * data.batch_size * trainer.world_size
