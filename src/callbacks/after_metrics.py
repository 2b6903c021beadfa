"""A place in the order of callbacks."""

from __future__ import annotations

from pytorch_lightning.callbacks import Checkpoint


class AfterMetrics(Checkpoint):
    """A callback whose `on_train_epoch_end` sees all metrics of the epoch.

    Lightning calls Checkpoint callbacks after the module has logged its own metrics, in the order given, and all others
    before. What saves the run must come last.
    """
