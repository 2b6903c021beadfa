"""What is left out of a step is only what nobody asked for."""

from __future__ import annotations

from pytorch_lightning import Callback, LightningModule
from pytorch_lightning.callbacks import LambdaCallback

from src.runs.lean import skip_idle_hooks


class Counts(Callback):
    def on_after_backward(self, trainer, pl_module):
        self.seen = True


def test_idle_hooks_go_and_those_of_a_class_or_an_instance_stay():
    given, own, model = LambdaCallback(on_train_batch_end=print), Counts(), LightningModule()
    skip_idle_hooks([given, own], model)
    assert given.on_train_batch_end is print
    assert given.on_train_batch_start is None
    assert callable(own.on_after_backward)
    assert own.on_before_backward is None
    assert model.on_after_backward is None
