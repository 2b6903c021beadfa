"""Fused optimizers: chosen where they can be, the same steps to rounding, the same bits every time."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.plugins.precision import MixedPrecision

from src.errors import UserError
from src.models.fused import fused_where_possible
from tests.prove.promise import same, tensors
from tests.training import train

SGD = partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
ADAM = partial(torch.optim.Adam, lr=1e-2, weight_decay=1e-2)
ADAMW = partial(torch.optim.AdamW, lr=1e-2, weight_decay=0.05)


def cpu_trainer(**options) -> Trainer:
    return Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, **options)


@pytest.mark.parametrize("optimizer", [SGD, ADAM, ADAMW], ids=lambda chosen: chosen.func.__name__)
def test_a_fused_optimizer_takes_the_same_steps(optimizer):
    def after(make) -> torch.Tensor:
        weights = torch.nn.Parameter(torch.linspace(-1, 1, 1000))
        steps = make([weights])
        for number in range(20):
            weights.grad = torch.sin(weights.detach() * (number + 1))
            steps.step()
        return weights.detach()

    fused = fused_where_possible(optimizer, cpu_trainer())
    assert fused.keywords["fused"] is True
    torch.testing.assert_close(after(fused), after(optimizer), rtol=1e-5, atol=1e-6)
    assert torch.equal(after(fused), after(fused))


@pytest.mark.parametrize("typed", [{"fused": False}, {"foreach": True}])
def test_what_was_typed_of_an_optimizer_is_never_changed(typed):
    assert fused_where_possible(partial(SGD, **typed), cpu_trainer()).keywords.get("fused") is typed.get("fused")


def test_an_optimizer_without_a_fused_form_stays_as_it_is():
    chosen = partial(torch.optim.RMSprop, lr=0.1)
    assert fused_where_possible(chosen, cpu_trainer()) is chosen


def test_sgd_is_not_fused_where_some_parameters_begin_later():
    assert "fused" not in fused_where_possible(SGD, cpu_trainer(), all_at_once=False).keywords
    assert fused_where_possible(ADAMW, cpu_trainer(), all_at_once=False).keywords["fused"] is True
    with pytest.raises(UserError, match=r"cannot follow a plan"):
        fused_where_possible(partial(SGD, fused=True), cpu_trainer(), all_at_once=False)


def scaled(clip: float | None):
    plugin = MixedPrecision("16-mixed", "cuda", scaler=torch.amp.GradScaler("cpu"))
    strategy = SimpleNamespace(root_device=torch.device("cuda"))
    return SimpleNamespace(precision_plugin=plugin, gradient_clip_val=clip, strategy=strategy)


def test_scaled_gradients_that_are_clipped_are_not_fused():
    assert fused_where_possible(SGD, scaled(None)).keywords["fused"] is True
    assert "fused" not in fused_where_possible(SGD, scaled(1.0)).keywords
    with pytest.raises(UserError, match=r"optimizer\.fused=true cannot clip"):
        fused_where_possible(partial(SGD, fused=True), scaled(1.0))


def test_a_run_clips_in_bfloat16_without_a_word_about_fusing(tmp_path):
    run = train(
        tmp_path / "run", "trainer.precision=bf16-mixed", "trainer.gradient_clip_val=1.0", "trainer.max_epochs=1"
    )
    state = torch.load(run / "checkpoints" / "last.ckpt")["optimizer_states"][0]
    assert not state["param_groups"][0]["fused"]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_run_is_fused_by_default_and_ends_where_the_loop_ends(tmp_path, optimizer):
    fused, again, loop = (
        train(tmp_path / name, f"optimizer={optimizer}", "trainer.max_epochs=1", "test=false", *typed)
        for name, typed in (("fused", ()), ("again", ()), ("loop", ("optimizer.fused=false",)))
    )
    states = [torch.load(run / "checkpoints" / "last.ckpt")["optimizer_states"][0] for run in (fused, loop)]
    assert [group["fused"] for group in states[0]["param_groups"]] == [True, True]
    assert [group["fused"] for group in states[1]["param_groups"]] == [False, False]
    assert same(tensors(fused)["weights"], tensors(again)["weights"])
    for name, values in tensors(fused)["weights"].items():
        torch.testing.assert_close(values, tensors(loop)["weights"][name], rtol=1e-3, atol=1e-4)
