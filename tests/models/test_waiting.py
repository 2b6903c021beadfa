"""Nothing in a training step waits for the device between logged steps.

On a GPU, reading a number out of a tensor stops the program until everything before it has been computed. Here the
operations that would do so are counted, whatever the device.
"""

from __future__ import annotations

import pytest
import torch
from pytorch_lightning import Callback
from torch.utils._python_dispatch import TorchDispatchMode

from src.callbacks.after_metrics import AfterMetrics
from src.runs import training
from tests.training import train

aten = torch.ops.aten
READING = {aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten.equal.default}
WRITING = aten.lift_fresh.default
"""A tensor made from numbers of the program: its way to the device is waited for, too."""
LOGGED_EVERY = 4


class Reads(TorchDispatchMode):
    """Counts what would wait: numbers read, and results whose size depends on values."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        by_mask = function is aten.index.Tensor and any(
            index is not None and index.dtype == torch.bool for index in arguments[1]
        )
        self.count += function in READING or function is WRITING or by_mask
        return function(*arguments, **(named or {}))


class Begin(Callback):
    def __init__(self, reads):
        self.reads = reads

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.reads.count = 0
        self.reads.__enter__()


class End(AfterMetrics):
    def __init__(self, reads):
        self.reads, self.found = reads, {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.reads.__exit__(None, None, None)
        self.found[trainer.global_step] = self.reads.count


def reads_by_step(monkeypatch, folder, *overrides) -> dict[int, int]:
    original, reads = training.build_callbacks, Reads()
    end = End(reads)
    monkeypatch.setattr(training, "build_callbacks", lambda config: [Begin(reads), *original(config), end])
    train(folder, "trainer.max_epochs=1", "test=false", f"trainer.log_every_n_steps={LOGGED_EVERY}", *overrides)
    return end.found


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("trainer.gradient_clip_val=1", "optimizer=adamw"),
        ("callbacks=[default,ema]",),
        ("model=localizer", "network=lenet"),
        ("model=siamese", "network=conv4", "data.batch_size=16"),
        ("model=siamese", "network=conv4", "data.batch_size=16", "model.mining=hard"),
    ],
    ids=["classifier", "clipping and AdamW", "EMA", "localizer", "all triplets", "hardest triplets"],
)
def test_only_logged_steps_read_numbers(monkeypatch, tmp_path, overrides):
    found = reads_by_step(monkeypatch, tmp_path / "run", *overrides)
    assert len(found) > LOGGED_EVERY
    assert found.pop(LOGGED_EVERY) > 0, "the count itself must work"
    assert {step: count for step, count in found.items() if step % LOGGED_EVERY} == dict.fromkeys(
        (step for step in found if step % LOGGED_EVERY), 0
    )
