"""Stopping a trial of a search early, when others have shown that it is not worth its time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytorch_lightning import LightningModule, Trainer

from src.callbacks.after_metrics import AfterMetrics
from src.config.build import build
from src.files import write_json
from src.sweeps.storage import open_storage

if TYPE_CHECKING:
    from optuna.trial import Trial


class Pruned(BaseException):
    """The search has stopped this trial. Not an Exception: nothing may swallow it."""


def _note(path: Path, epoch: int) -> None:
    """Write down in what one process of several knows of itself after which epoch it was stopped."""
    known = json.loads(path.read_text()) if path.exists() else {}
    write_json(path, known | {"pruned_after_epoch": epoch})


class Pruning(AfterMetrics):
    """Reports the search's metric after every epoch in which it was measured, and stops where the pruner says so.

    The first process asks; all of them hear the answer and stop together, after the epoch has been saved. What has
    come to its last epoch is no longer stopped, nor is a trial that other machines have given up: they repeat it.
    """

    def __init__(self, *, folder: Path, study: Mapping[str, Any], trial: int) -> None:
        self.folder, self.study, self.number = folder, study, trial
        self._trial: Trial | None = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report, ask and stop. Raises Pruned in every process."""
        metric = str(self.study["metric"])
        if metric not in trainer.callback_metrics:
            return
        value, epoch = float(trainer.callback_metrics[metric]), trainer.current_epoch + 1
        stop = self._should_stop(value, epoch) if trainer.is_global_zero else False
        if epoch == trainer.max_epochs:  # nothing is left to be saved by stopping
            return
        if trainer.strategy.broadcast(stop):
            if trainer.world_size > 1:
                _note(Path(trainer.default_root_dir) / "ranks" / f"{trainer.global_rank}.json", epoch)
                trainer.strategy.barrier()  # the first process ends the others when it ends
            raise Pruned(f"pruned after epoch {epoch} with {metric} {value:.4f}")

    def _should_stop(self, value: float, epoch: int) -> bool:
        from optuna.exceptions import UpdateFinishedTrialError

        if self._trial is None:
            self._trial = self._open()
        try:
            if epoch not in self._trial._cached_frozen_trial.intermediate_values:  # a continued run repeats nothing
                self._trial.report(value, epoch)
            return self._trial.should_prune()
        except UpdateFinishedTrialError:
            return False

    def _open(self) -> Trial:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = open_storage(self.study["storage"], self.folder)
        study = optuna.load_study(study_name=self.study["name"], storage=storage, pruner=build(self.study["pruner"]))
        number = storage.get_trial_id_from_study_id_trial_number(study._study_id, self.number)
        return optuna.trial.Trial(study, number)
