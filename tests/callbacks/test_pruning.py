"""A trial that is worse than a bound is stopped in every process, but not once it has come to its end."""

from __future__ import annotations

import json
from types import SimpleNamespace

import optuna
import pytest

from src.callbacks.pruning import Pruned, Pruning
from src.sweeps.storage import open_storage

PRUNER = {"_target_": "optuna.pruners.ThresholdPruner", "lower": 0.5}


def trainer(folder, value: float, epoch: int, *, world_size: int = 1, rank: int = 0) -> SimpleNamespace:
    """What the callback sees of one after an epoch of 3, counted from 1."""
    strategy = SimpleNamespace(broadcast=lambda answer: answer or rank > 0, barrier=lambda: None)
    return SimpleNamespace(
        callback_metrics={"val/accuracy": value}, current_epoch=epoch - 1, max_epochs=3, strategy=strategy,
        is_global_zero=rank == 0, global_rank=rank, world_size=world_size, default_root_dir=str(folder),
    )  # fmt: skip


@pytest.fixture
def pruning(tmp_path) -> Pruning:
    study = optuna.create_study(storage=open_storage(None, tmp_path), study_name="s", direction="maximize")
    study.ask()
    wanted = {"storage": None, "name": "s", "metric": "val/accuracy", "pruner": PRUNER}
    return Pruning(folder=tmp_path, study=wanted, trial=0)


def test_stopped_below_the_bound_and_said_after_which_epoch(tmp_path, pruning):
    pruning.on_train_epoch_end(trainer(tmp_path, 0.6, 1), None)
    with pytest.raises(Pruned, match="pruned after epoch 2 with val/accuracy"):
        pruning.on_train_epoch_end(trainer(tmp_path, 0.4, 2), None)


def test_never_stopped_after_the_last_epoch_which_is_still_reported(tmp_path, pruning):
    pruning.on_train_epoch_end(trainer(tmp_path, 0.4, 3), None)
    (trial,) = optuna.load_study(storage=open_storage(None, tmp_path), study_name="s").trials
    assert trial.intermediate_values == {3: 0.4}


@pytest.mark.parametrize("reported", [0, 1])
def test_a_trial_that_others_have_given_up_trains_on_and_reports_no_more(tmp_path, pruning, reported):
    for epoch in range(1, reported + 1):
        pruning.on_train_epoch_end(trainer(tmp_path, 0.6, epoch), None)
    study = optuna.load_study(storage=open_storage(None, tmp_path), study_name="s")
    study.tell(0, state=optuna.trial.TrialState.FAIL)
    pruning.on_train_epoch_end(trainer(tmp_path, 0.4, reported + 1), None)
    (trial,) = study.trials
    assert list(trial.intermediate_values) == list(range(1, reported + 1))


def test_each_process_writes_down_when_it_was_stopped(tmp_path, pruning):
    (tmp_path / "ranks").mkdir()
    (tmp_path / "ranks" / "1.json").write_text('{"digest": "d"}')
    for rank in (0, 1):
        with pytest.raises(Pruned):
            pruning.on_train_epoch_end(trainer(tmp_path, 0.4, 2, world_size=2, rank=rank), None)
    assert json.loads((tmp_path / "ranks" / "0.json").read_text()) == {"pruned_after_epoch": 2}
    assert json.loads((tmp_path / "ranks" / "1.json").read_text()) == {"digest": "d", "pruned_after_epoch": 2}
