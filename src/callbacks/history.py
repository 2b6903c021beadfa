"""metrics.csv: the figures of a run, as part of its checkpoints, so that a resumed run has each row exactly once."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer

from src.callbacks.after_metrics import AfterMetrics
from src.files import write_text
from src.models.base import ImageModule, is_logged

Row = dict[str, float]


class History(AfterMetrics):
    """One row per epoch, per validation inside one and per logged step, written to RUN_DIR/metrics.csv.

    The rows are saved with the run, so rows beyond a checkpoint vanish on resume; therefore it must stand before the
    callbacks that save.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the row of a logged step."""
        assert isinstance(pl_module, ImageModule)
        if is_logged(trainer, trainer.global_step) and not trainer.fit_loop.epoch_loop._should_accumulate():
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            self._add(trainer, {"train/loss_step": float(pl_module.last_loss), "lr": float(rate)})

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the row of a validation, which may lie inside an epoch."""
        assert isinstance(pl_module, ImageModule)
        if not trainer.sanity_checking and trainer.state.fn == "fit":
            self._add(trainer, pl_module.validated)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the row of an epoch, together with the validation at its end, and write the file."""
        training = {key: float(value) for key, value in trainer.callback_metrics.items() if key.startswith("train/")}
        training.pop("train/loss_step", None)
        figures = training | {"lr": float(trainer.optimizers[0].param_groups[0]["lr"])}
        last = self.rows[-1] if self.rows else {}
        if last.get("step") == trainer.global_step and "val/loss" in last:
            last.update(figures)
        else:
            self._add(trainer, figures)
        if trainer.is_global_zero:
            self.write(Path(trainer.default_root_dir))

    def _add(self, trainer: Trainer, values: Row) -> None:
        self.rows.append({"step": trainer.global_step, "epoch": trainer.current_epoch} | values)

    def write(self, run_dir: Path) -> None:
        """Write all rows; a column per metric, in order of appearance; floats so that they read back exactly."""
        columns = list(dict.fromkeys(key for row in self.rows for key in row)) or ["step", "epoch"]
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(run_dir / "metrics.csv", text.getvalue())

    def state_dict(self) -> dict[str, Any]:
        """Return the rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue after the rows of the checkpoint."""
        self.rows = list(state_dict["rows"])
