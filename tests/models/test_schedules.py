"""Learning rates at steps worked out by hand, and against torch's own schedules."""

import math

import pytest
import torch

from src.errors import UserError
from src.models import schedules


def rates(schedule, steps, lr=1.0, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = schedule(optimizer=optimizer, total_steps=steps, steps_per_epoch=10, **options)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_cosine_warms_up_and_falls_to_its_final_ratio():
    found = rates(schedules.cosine, 40, warmup_epochs=1.0, final_ratio=0.1)
    assert found[:3] == pytest.approx([1 / 11, 2 / 11, 3 / 11])
    assert found[10] == pytest.approx(1.0)
    assert found[25] == pytest.approx(0.1 + 0.9 / 2)  # half way
    assert found[39] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi * 29 / 30)) / 2)


def test_cosine_without_warm_up_equals_torch():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    expected = []
    for _ in range(20):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    assert rates(schedules.cosine, 20, lr=0.3, warmup_epochs=0.0, final_ratio=0.0) == pytest.approx(expected)


def test_step_multiplies_at_shares_of_the_training():
    found = rates(schedules.step, 20, milestones=[0.5, 0.75], gamma=0.1)
    assert found == pytest.approx([1.0] * 10 + [0.1] * 5 + [0.01] * 5)


def test_one_cycle_peaks_after_its_share():
    found = rates(schedules.one_cycle, 100, warmup_share=0.3, initial_ratio=0.04, final_ratio=0.0)
    assert found[0] == pytest.approx(0.04)
    assert max(range(100), key=found.__getitem__) == 30
    assert found[65] == pytest.approx(0.5)
    assert found[99] < 0.001


def test_constant_after_warm_up():
    assert rates(schedules.constant, 12, warmup_epochs=0.3)[:5] == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1.0, 1.0])


def test_step_takes_epochs_as_torch_does():
    found = rates(schedules.step, 90, milestones=[3, 6], gamma=0.1)  # ten steps an epoch
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 6])
    expected = []
    for _ in range(9):
        expected += [optimizer.param_groups[0]["lr"]] * 10
        optimizer.step()
        reference.step()
    assert found == pytest.approx(expected)
    assert rates(schedules.step, 20, milestones=[0.5], gamma=0.1, unit="epochs") == pytest.approx(
        [1.0] * 5 + [0.1] * 15
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"milestones": [0.5, 30]}, "type shares of the training, below 1"),
        ({"milestones": []}, "type shares of the training, below 1"),
    ],
)
def test_milestones_are_shares_or_epochs_and_not_both(options, words):
    with pytest.raises(UserError, match=words):
        rates(schedules.step, 20, gamma=0.1, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"milestones": [1, 2]}, "epochs 2 is not reached: the training has 20 steps, 2 epochs"),
        ({"milestones": [1.5], "unit": "share"}, "share 1.5 is not reached"),
    ],
)
def test_a_milestone_that_is_never_reached_is_told(options, words, caplog):
    rates(schedules.step, 20, gamma=0.1, **options)
    assert words in caplog.text


@pytest.mark.parametrize("schedule", [schedules.cosine, schedules.constant])
def test_a_warm_up_longer_than_the_training_is_told(schedule, caplog):
    options = {"final_ratio": 0.0} if schedule is schedules.cosine else {}
    rates(schedule, 20, warmup_epochs=3, **options)
    assert "warmup_epochs=3 are 30 steps, more than the training's 20" in caplog.text


def test_an_automatic_warm_up_is_an_epoch_at_most_half_of_the_training():
    assert rates(schedules.cosine, 40, warmup_epochs="auto", final_ratio=0.0) == rates(
        schedules.cosine, 40, warmup_epochs=1.0, final_ratio=0.0
    )
    short = rates(schedules.cosine, 4, warmup_epochs="auto", final_ratio=0.0)
    assert short == pytest.approx([1 / 3, 2 / 3, 1.0, 0.5])


def test_a_schedule_over_a_training_of_unknown_length_is_refused():
    for schedule, options in (
        (schedules.cosine, {"warmup_epochs": 0.0, "final_ratio": 0.0}),
        (schedules.one_cycle, {"warmup_share": 0.3, "initial_ratio": 0.0, "final_ratio": 0.0}),
        (schedules.step, {"milestones": [0.5], "gamma": 0.1}),
    ):
        with pytest.raises(UserError, match="needs the training's length"):
            endless(schedule, **options)
    assert isinstance(endless(schedules.step, milestones=[30], gamma=0.1), schedules.PerStep)
    assert isinstance(endless(schedules.constant, warmup_epochs="auto"), schedules.PerStep)


def endless(schedule, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    return schedule(optimizer=optimizer, total_steps=math.inf, steps_per_epoch=10, **options)
