"""How long a training is, and keys that would be taken and do nothing: told before torch is imported."""

from __future__ import annotations

import pytest

from tests.config.conftest import lines_of, problems_of

STOPPING = "callbacks=[default,early_stopping]"
EMA = "callbacks=[default,ema]"


@pytest.mark.parametrize(
    ("typed", "key", "words"),
    [
        (["trainer.max_epochs=-1"], "trainer.max_epochs", "type trainer.max_epochs or trainer.max_steps"),
        (["trainer.max_epochs=null"], "trainer.max_epochs", "type trainer.max_epochs or trainer.max_steps"),
        ([STOPPING, "trainer.min_epochs=9"], "trainer.min_epochs", "9 is more than trainer.max_epochs=5"),
        ([STOPPING, "trainer.min_steps=9", "trainer.max_steps=8"], "trainer.min_steps", "9 is more than"),
        (["trainer.min_epochs=9"], "trainer.min_epochs", "9 is more than trainer.max_epochs=5"),
        (["trainer.min_epochs=2"], "trainer.min_epochs", "nothing ends this training early"),
        (["trainer.min_steps=2"], "trainer.min_steps", "nothing ends this training early"),
        (
            ["scheduler.warmup_epochs=6"],
            "scheduler.warmup_epochs",
            "6 epochs of warm-up are more than the training's 5",
        ),
        (["scheduler=constant", "scheduler.warmup_epochs=5.5"], "scheduler.warmup_epochs", "5.5 epochs of warm-up"),
        (["scheduler=step", "scheduler.milestones=[30,60]"], "scheduler.milestones", "epoch 60 is not reached"),
        (["scheduler=step", "scheduler.milestones=[0.5,-1]"], "scheduler.milestones=[0.5,-1]", "must be more than 0"),
        (["trainer.gradient_clip_algorithm=value"], "trainer.gradient_clip_algorithm=value", "none are"),
        (["trainer.limit_predict_batches=2"], "trainer.limit_predict_batches=2", "takes images, not batches"),
        (["trainer.limit_train_batches=0"], "trainer.limit_train_batches=0", "must be at least 1"),
        (["trainer.limit_test_batches=0"], "trainer.limit_test_batches=0", "must be at least 1"),
        (["trainer.limit_train_batches=0.0"], "trainer.limit_train_batches=0.0", "must be"),
        (["trainer=fsdp", EMA], "callbacks.ema", "sharded parameters cannot be averaged"),
        (["trainer=ddp_cpu", "trainer.sync_batchnorm=true"], "trainer.sync_batchnorm", "works on GPUs alone"),
    ],
)
def test_what_would_be_taken_and_ignored_is_refused(typed, key, words):
    (found,) = problems_of("model=lenet", *typed)
    assert found.key == key
    assert words in f"{found.what}; {found.suggestion}"


@pytest.mark.parametrize(
    "typed",
    [
        ["trainer.max_epochs=-1", "trainer.max_steps=10"],
        ["trainer.max_epochs=null", "trainer.max_steps=10", "scheduler=step", "scheduler.milestones=[30]"],
        ["trainer.max_epochs=-1", "trainer.max_time=00:01:00:00", "scheduler=constant", "trainer.min_epochs=2"],
        [STOPPING, "trainer.min_epochs=2"],
        ["scheduler.warmup_epochs=5"],
        ["scheduler=step", "scheduler.milestones=[2,4]"],
        ["trainer.gradient_clip_algorithm=value", "trainer.gradient_clip_val=1"],
    ],
)
def test_what_acts_is_taken(typed):
    assert lines_of(problems_of("model=lenet", *typed)) == []


@pytest.mark.parametrize("typed", [["trainer.max_epochs=5"], ["debug=step"]])
def test_an_experiment_may_be_cut_short_within_its_warm_up(typed):
    assert problems_of("experiment=orl_siamese", *typed) == []


def test_a_warm_up_that_was_typed_may_not_outlast_a_training_that_was_cut_short():
    (found,) = problems_of("experiment=orl_siamese", "trainer.max_epochs=5", "scheduler.warmup_epochs=6")
    assert "more than the training's 5" in str(found)
