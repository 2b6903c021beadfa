"""When a run is saved: its best weights, and everything needed to continue to the same bits."""

from __future__ import annotations

import logging
import math
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

from annotated_types import Ge
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loops.evaluation_loop import RestartStage

from src.callbacks.agreement import Agreement
from src.callbacks.ema import EMA

log = logging.getLogger(__name__)

SAME = 2.0
"""Seconds within which a further signal is the same request, told by two: a terminal and a sweep, say."""
VALIDATION = 8.0
"""Seconds that a validation which cannot be broken off may go on after a request to stop."""


class Interrupted(BaseException):
    """The run was asked to stop, and did so after saving. Not an Exception: nothing may swallow it."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.signum = signum


def stopping_signals() -> list[signal.Signals]:
    """Return the signals that stop a run; not that of a closed terminal where `nohup` has it ignored."""
    signals = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]
    return signals if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [*signals, signal.SIGHUP]


def checkpoint_path(trainer: Trainer, name: str) -> Path:
    """Return RUN_DIR/checkpoints/NAME.ckpt."""
    return Path(trainer.default_root_dir) / "checkpoints" / f"{name}.ckpt"


class BestCheckpoint(Checkpoint):
    """Saves `best.ckpt` whenever a validation improves on the best value of `monitor` so far; the earlier of equals."""

    def __init__(self, *, monitor: str, mode: Literal["auto", "min", "max"]) -> None:
        assert mode != "auto", "settled when the run began"
        self.monitor, self.mode = monitor, mode
        self.best = -math.inf if mode == "max" else math.inf
        self.metrics: dict[str, float] = {}
        """All metrics of the validation that was best."""
        self.step = -1
        self._told = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare, and save where it is better."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        if self.monitor not in trainer.callback_metrics:
            known = ", ".join(sorted(trainer.callback_metrics))
            raise ValueError(f"model.monitor={self.monitor} is not among the metrics of this model: {known}")
        value = float(trainer.callback_metrics[self.monitor])
        if math.isnan(value) and not self._told:
            self._told = True
            log.warning(
                "%s cannot be measured on the validation split: it has nothing for it, or answers are not numbers. No "
                "weights are chosen by epoch %d",
                self.monitor,
                trainer.current_epoch + 1,
            )
        if value > self.best if self.mode == "max" else value < self.best:
            self.best, self.step = value, trainer.global_step
            self.metrics = {
                key: float(metric) for key, metric in trainer.callback_metrics.items() if key.startswith("val/")
            }
            trainer.save_checkpoint(checkpoint_path(trainer, "best"))

    def state_dict(self) -> dict[str, Any]:
        """Return the best so far."""
        return {"best": self.best, "step": self.step, "metrics": self.metrics}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue to compare with the best so far."""
        self.best, self.step, self.metrics = state_dict["best"], state_dict["step"], state_dict["metrics"]


class LastCheckpoint(Checkpoint):
    """Saves `last.ckpt` at every epoch's end, every `every_n_train_steps` optimizer steps, and when asked to stop.

    Inside an epoch it saves only after an optimizer step that no validation follows: gradients being accumulated are
    not part of a checkpoint, and Lightning would skip the validation of a checkpoint written just before it.
    A first Ctrl-C, SIGTERM, SIGUSR1 or SIGHUP asks to stop at the next such moment, a second one stops at once. Several
    processes stop together, whichever of them was asked.

    A validation is broken off: the state before it is saved, and the continued run begins with the whole of it. Where
    it began between two accumulated batches that state cannot be saved; then its end is waited for, and a process alone
    that would wait for longer stops without saving, so that the run continues from what was saved last.
    """

    def __init__(self, *, every_n_train_steps: Annotated[int, Ge(1)] | None) -> None:
        self.every_n_train_steps = every_n_train_steps
        self._saved_step = 0
        self._asked: int | None = None
        self._asked_at = 0.0
        self._stop: int | None = None
        """What all processes know to have been asked."""
        self._should_stop = False
        self._broken_off = False
        """Whether the run stopped in a validation."""
        self._together = 0
        """Batches of a validation that every process has."""
        self._handlers: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen to signals; end at once where the run had already decided to stop early.

        Of a validation that was broken off Lightning has only to be told: it goes back to an unfinished one.
        """
        self._saved_step = trainer.global_step
        trainer.should_stop = trainer.should_stop or self._should_stop
        if self._broken_off:
            trainer.fit_loop.epoch_loop.val_loop._restart_stage = RestartStage.RESTARTED_MID_EVALUATION
            self._broken_off = False
        self._agreement = Agreement(trainer)
        self._handlers = {signum: signal.signal(signum, self._on_signal) for signum in stopping_signals()}

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the signals back."""
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        self._handlers = {}

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        if self._asked is not None:
            if time.monotonic() - self._asked_at < SAME:
                return
            raise Interrupted(signum)
        self._asked, self._asked_at = signum, time.monotonic()
        log.warning("Stopping: saving after this step (once more to stop at once).")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save inside an epoch where it is due and possible."""
        self._stop = self._stop or self._agreement.after_batch(self._asked)
        step, every = trainer.global_step, self.every_n_train_steps
        due = self._stop is not None or (every is not None and step // every > self._saved_step // every)
        if due and step > self._saved_step and self._can_save(trainer):
            self._save(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find out for how many batches all processes can agree: the last ones may be of some processes alone."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._together = self._agreement.fewest(int(sum(trainer.fit_loop.epoch_loop.val_loop.max_batches)))

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Break off a validation where somebody asks to stop."""
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        if batch_idx < self._together:
            self._stop = self._stop or self._agreement.after_batch(self._asked)
            if self._stop is not None and not trainer.fit_loop.epoch_loop._should_accumulate():
                self._break_off(trainer, pl_module)
        waited = self._asked is not None and time.monotonic() - self._asked_at > VALIDATION
        if waited and self._asked is not None and trainer.world_size == 1:
            raise Interrupted(self._asked)

    def _break_off(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what there was before the validation; a validation changes nothing else that a checkpoint holds."""
        for callback in trainer.callbacks:  # type: ignore[attr-defined] # Trainer's declaration lacks it
            if isinstance(callback, EMA):
                callback.put_back(pl_module)
        trainer.fit_loop.epoch_loop.val_loop.batch_progress.reset()
        self._broken_off = True
        self._save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to ask around anew: batches of training take another time."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._agreement.restart()

    def _can_save(self, trainer: Trainer) -> bool:
        loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher
        assert fetcher is not None
        return not (
            loop._should_accumulate()
            or loop._num_ready_batches_reached()  # the epoch's end follows
            or loop._should_check_val_fx(fetcher)
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the finished epoch."""
        self._stop = self._stop or self._agreement.now(self._asked)
        self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        self._saved_step, self._should_stop = trainer.global_step, trainer.should_stop
        trainer.save_checkpoint(checkpoint_path(trainer, "last"))
        if self._stop is not None:
            raise Interrupted(self._stop)

    def state_dict(self) -> dict[str, Any]:
        """Return whether the run had decided to stop early, and whether in a validation: Lightning does not say."""
        return {"should_stop": self._should_stop, "broken_off": self._broken_off}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember a decision to stop early, and a validation that is still to be done."""
        self._should_stop = state_dict["should_stop"]
        self._broken_off = state_dict.get("broken_off", False)
