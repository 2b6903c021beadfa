"""What Lightning does around a training step although nobody asked for it, left out by means that it offers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from contextlib import AbstractContextManager

from pytorch_lightning import Callback, LightningModule
from pytorch_lightning.profilers import PassThroughProfiler

STEP_HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)


class Unprofiled(PassThroughProfiler):
    """Measures nothing, as Lightning's own does, which makes a generator for each of the sixty actions of a step."""

    _nothing = contextlib.nullcontext()

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """Return a context that does nothing."""
        return self._nothing


def skip_idle_hooks(callbacks: Iterable[Callback], model: LightningModule) -> None:
    """Take away the hooks of a step that callbacks and model inherit without a body, and were not given one.

    Lightning calls a hook where it is callable; an idle one costs two microseconds, and there are dozens in a step.
    """
    for callback in callbacks:
        _skip_idle(callback, Callback)
    _skip_idle(model, LightningModule)


def _skip_idle(hooked: Callback | LightningModule, base: type) -> None:
    for name in STEP_HOOKS:
        if getattr(type(hooked), name) is getattr(base, name) and name not in vars(hooked):
            setattr(hooked, name, None)
