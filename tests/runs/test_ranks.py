"""What a process knows of those that train with it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from src.config.command import compose
from src.errors import UserError
from src.runs import ranks, session
from tests.prove.promise import ROOT, command

TORCHRUN = {"TORCHELASTIC_RUN_ID": "1", "RANK": "1"}
TASK = {"SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "2"}


@pytest.fixture
def started(monkeypatch):
    """Return a function that lets this process seem started so."""
    for name in [name for name in ranks.os.environ if name.startswith(("SLURM_", "TORCHELASTIC_", "RANK"))]:
        monkeypatch.delenv(name)
    return lambda variables: [monkeypatch.setenv(name, value) for name, value in variables.items()]


@pytest.mark.parametrize(
    ("variables", "rank", "named"),
    [
        ({}, 0, []),
        (TORCHRUN, 1, []),
        (TORCHRUN | TASK, 1, []),
        (TASK | {"SLURM_NTASKS_PER_NODE": "2"}, 1, ["SLURMEnvironment"]),
        ({"NODE_RANK": "0", "LOCAL_RANK": "1"}, 1, []),
        ({"NODE_RANK": "1"}, 2, []),
        ({"NODE_RANK": "1", "LOCAL_RANK": "1"}, 3, []),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, 0, ["LightningEnvironment"]),
    ],
)
def test_lightning_is_told_who_started_the_processes(started, variables, rank, named):
    """One process in an allocation for four is one process; four on two machines have numbers of their own."""
    started(variables)
    assert ranks.rank({"devices": 2}) == rank
    assert ranks.is_first() == (rank == 0)
    assert [type(found).__name__ for found in ranks.environments()] == named
    assert not any(getattr(found, "auto_requeue", False) for found in ranks.environments())


@pytest.mark.parametrize(
    ("variables", "starter"),
    [(TORCHRUN | {"RANK": "0", "WORLD_SIZE": "3"}, "torchrun"), (TASK | {"SLURM_STEP_NUM_TASKS": "3"}, "srun")],
)
@pytest.mark.parametrize("typed", [["trainer=cpu"], ["trainer=ddp_cpu"], ["trainer=ddp_cpu", "trainer.num_nodes=2"]])
def test_another_number_of_processes_than_typed_is_a_message_before_anything_is_written(
    started, variables, starter, typed, tmp_path
):
    """Lightning would train a network in each of them, or end with a traceback."""
    started(variables | {"SLURM_PROCID": "0"})
    told = tmp_path / ".slurm"
    with pytest.raises(UserError, match=f"{starter} started 3 processes; .* whose product is 3"):
        session.start(compose("train", ["model=lenet", *typed, f"runs_dir={tmp_path}"]))
    assert [path for path in tmp_path.rglob("*") if told not in (path, *path.parents)] == []


@pytest.mark.parametrize(
    ("devices", "nodes", "count"), [(2, 1, 2), (2, 2, 4), ([0, 3], 1, 2), (-1, 1, None), ("auto", 1, None)]
)
def test_as_many_processes_as_typed_are_right(started, devices, nodes, count):
    """Those that Lightning counts are compared when it has."""
    started(TORCHRUN | {"WORLD_SIZE": str(count or 8)})
    trainer = {"devices": devices, "num_nodes": nodes}
    ranks.require_started(trainer, ranks.devices_of(trainer))
    with pytest.raises(UserError, match="torchrun started"):
        ranks.require_started(trainer, 7)


def test_a_lost_connection_is_told_from_other_errors():
    lost = RuntimeError("[/build/gloo/transport/tcp/pair.cc:5] Connection closed by peer [10.0.0.2]:4")
    with pytest.raises(RuntimeError) as raised:
        raise RuntimeError("a loader failed") from lost
    assert ranks.is_loss_of_others(raised.value)
    assert not ranks.is_loss_of_others(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_the_message_names_the_others_the_timeout_and_what_to_type(started, tmp_path):
    started(TORCHRUN | {"RANK": "1"})
    ranks.note(tmp_path, 1, digest="a")
    started({"RANK": "0"})
    error = RuntimeError("[/build/gloo/transport/tcp/unbound_buffer.cc:8] Timed out waiting 5000ms for recv operation")
    text = ranks.loss_message(error, {"strategy": {"timeout": 5}, "devices": 2}, tmp_path)
    assert f"Process 0 on {platform.node()}" in text
    assert f"(1 on {platform.node()}): Timed out waiting 5000ms" in text
    assert "trainer.strategy.timeout=5 seconds" in text
    assert f"resume={tmp_path}" in text
    assert "Lightning waits" in ranks.loss_message(error, {"strategy": "ddp"}, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="the system has no word for it")
def test_a_further_process_ends_when_the_first_is_killed_and_at_once_where_it_was_before():
    waiting = (
        "import time; from src.runs.ranks import end_with_parent as e; e(); print('ready', flush=True); time.sleep(99)"
    )
    starting = f"""
import os, subprocess, sys
from src.runs import ranks
ranks.be_parent()
subprocess.run([sys.executable, "-c", {waiting!r}], env=os.environ | {{"LOCAL_RANK": "1"}})
"""
    with subprocess.Popen([sys.executable, "-c", starting], cwd=ROOT, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "ready\n"
        first.kill()
        assert first.stdout.read() == ""  # returns when the second has ended too
    started = dict(os.environ) | {"LOCAL_RANK": "1", ranks.PARENT: str(first.pid)}
    second = subprocess.run(command("train"), cwd=ROOT, env=started, capture_output=True, text=True, check=False)
    assert (second.returncode, second.stderr) == (1, "The process that started this one has ended\n")
