"""What a sweep is made of, before any job of it starts."""

from __future__ import annotations

import pytest

from src.config.assess import assess
from src.config.groups import Groups
from src.errors import UserError
from src.sweeps.start import Plan, parallel_jobs, sweep
from tests.sweeps.stubs import job


def plan(*typed: str) -> Plan:
    return Plan(assess("train", typed, Groups(), multirun=True), None)


@pytest.mark.parametrize(
    ("typed", "kind", "jobs"),
    [
        (["optimizer.lr=0.1,0.2", "hydra/launcher=submitit_slurm"], "slurm", 256),
        (["optimizer.lr=0.1,0.2", "hydra/launcher=submitit_slurm", "sweep.jobs=2"], "slurm", 2),
        (["optimizer.lr=0.1,0.2", "hydra/launcher=submitit_slurm", "hydra.launcher.array_parallelism=3"], "slurm", 3),
        (["optimizer.lr=interval(0,1)", "search=tpe", "hydra/launcher=submitit_slurm"], "slurm", 1),
        (["optimizer.lr=0.1,0.2", "sweep.jobs=2"], None, 2),
    ],
)
def test_as_many_jobs_run_at_a_time_as_were_typed(typed, kind, jobs):
    """256 is what the launcher of SLURM says unless told otherwise."""
    if kind:
        pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    assert parallel_jobs(plan(*typed), kind) == jobs


def test_a_search_over_other_keys_than_the_jobs_in_its_directory_is_refused_before_anything_starts(tmp_path):
    earlier = job(tmp_path, **{"data.batch_size": 8})
    earlier.path.mkdir()
    earlier.begin(None)
    typed = ("optimizer.lr=interval(0,1)", "search=random", f"sweep_dir={tmp_path}")
    with pytest.raises(UserError, match=r"data\.batch_size, not over optimizer\.lr; type sweep_dir=ANOTHER"):
        sweep(assess("train", typed, Groups(), multirun=True))
    assert not (tmp_path / "sweep.json").exists()
