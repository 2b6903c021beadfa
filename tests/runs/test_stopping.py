"""Asked to stop, wherever it is, a run saves, and `resume=auto` goes on to the same bits, in one process and in two."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Callback

from src.callbacks.checkpoint import LastCheckpoint
from src.config.command import compose
from src.cores import cores
from src.errors import UserError
from src.runs import session, training
from src.sweeps import locks
from tests.processes import ended, started
from tests.prove.promise import ROOT, command, same, tensors
from tests.training import TINY, killed, on_top, resume, train

LONGER = (
    *("data.source.train=480", "data.batch_size=8", "trainer.max_epochs=1", "trainer.accumulate_grad_batches=2"),
    *("callbacks=[default,ema]", "augment.mixup=0.3", "trainer.val_check_interval=0.5"),
)


def start(*overrides: str, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("train", *on_top(TINY, [*LONGER, *overrides])), cwd=ROOT, stderr=subprocess.PIPE, text=True, **options
    )


def processes_of(run_dir: Path) -> list[int]:
    """Return the processes with a run directory on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"run_dir={run_dir}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_two_processes_stop_together_within_ten_seconds_and_continue_to_the_same_bits(tmp_path):
    """With accumulation, averaged weights, mixup and validation inside the epoch; the second process is asked."""
    two = ("trainer=ddp_cpu", "trainer.devices=2")
    broken = start(*two, f"run_dir={tmp_path}/broken", "resume=auto")
    while not (tmp_path / "broken" / "checkpoints" / "best.ckpt").exists() and broken.poll() is None:
        time.sleep(0.02)
    ranks = [pid for pid in processes_of(tmp_path / "broken") if pid != broken.pid]
    assert len(ranks) == 1
    os.kill(ranks[0], signal.SIGTERM)
    asked = time.time()
    _, errors = broken.communicate()
    assert (tmp_path / "broken" / "checkpoints" / "last.ckpt").stat().st_mtime - asked < 10
    assert broken.returncode == 143, errors
    assert processes_of(tmp_path / "broken") == []
    record = json.loads((tmp_path / "broken" / "record.json").read_text())
    assert record["status"] == "interrupted"
    again = start(*two, f"run_dir={tmp_path}/broken", "resume=auto")
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    whole = start(*two, f"run_dir={tmp_path}/whole")
    _, errors = whole.communicate()
    assert whole.returncode == 0, errors
    assert same(tensors(tmp_path / "whole"), tensors(tmp_path / "broken"))
    assert json.loads((tmp_path / "broken" / "record.json").read_text())["wandb_id"] == record["wandb_id"]
    assert (tmp_path / "broken" / "metrics.json").read_text() == (tmp_path / "whole" / "metrics.json").read_text()


class Ask(Callback):
    """Sends this process SIGTERM in its `number`-th batch of validation, and notes how long saving took."""

    def __init__(self, number: int) -> None:
        self.left = number

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        if not trainer.sanity_checking:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGTERM)


VALIDATIONS = {
    "in an epoch": (4, 6, ("trainer.val_check_interval=0.3", "scheduler=onecycle", "optimizer=adamw")),
    "at its end, averaged weights": (2, 10, ("callbacks=[default,ema]", "callbacks.ema.decay=0.9")),
    "plateau, the last epoch's": (5, 20, ("scheduler=plateau", "scheduler.patience=0", "scheduler.factor=0.5")),
    "accumulation, mixup and averaged weights": (
        8,
        3,
        (
            *("trainer.val_check_interval=0.5", "trainer.accumulate_grad_batches=5", "augment.mixup=0.3"),
            *("callbacks=[default,ema]", "callbacks.ema.decay=0.9"),
        ),
    ),
}
"""The batch of validation in which the signal comes, and the optimizer step that was the last before it."""


@pytest.mark.parametrize(("number", "step", "overrides"), VALIDATIONS.values(), ids=VALIDATIONS.keys())
def test_a_validation_is_broken_off_and_done_again(number, step, overrides, tmp_path, monkeypatch):
    original = training.build_callbacks
    with monkeypatch.context() as patch:
        patch.setattr(training, "build_callbacks", lambda config: [*original(config), Ask(number)])
        with pytest.raises(SystemExit) as stopped:
            train(tmp_path / "broken", *overrides)
    assert stopped.value.code == 143
    last = torch.load(tmp_path / "broken" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == step
    resume(tmp_path / "broken")
    assert same(tensors(train(tmp_path / "whole", *overrides)), tensors(tmp_path / "broken"))


@pytest.mark.parametrize("phase", ["open_data", "measure", "write_weights"])
def test_outside_of_training_a_signal_ends_the_run_at_once_and_it_continues(phase, tmp_path, monkeypatch, capsys):
    original = getattr(training, phase)

    def asked(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments)

    short = ("trainer.max_epochs=1", "data.source.train=32")
    with monkeypatch.context() as patch:
        patch.setattr(training, phase, asked)
        with pytest.raises(SystemExit) as stopped:
            train(tmp_path / "broken", *short)
    assert stopped.value.code == 143
    assert json.loads((tmp_path / "broken" / "record.json").read_text())["status"] == "interrupted"
    said = "Stopped before the first checkpoint" if phase == "open_data" else "Saved"
    assert f"{said}. Continue with: python -m src.train resume=" in capsys.readouterr().err
    resume(tmp_path / "broken")
    assert same(tensors(train(tmp_path / "whole", *short)), tensors(tmp_path / "broken"))


def test_two_processes_break_off_a_validation_together(tmp_path):
    """The first step is saved, the second not, since a validation follows, of 1,001 batches in one and 1,000 in two."""
    two = on_top(TINY, ["data.batch_size=2", "data.source.train=8", "data.source.val=4001", "trainer.max_epochs=1"])
    two = on_top(two, ["callbacks=[default,ema]", "callbacks.last.every_n_train_steps=1"])
    group = started(2, tmp_path / "broken", two)
    while not (tmp_path / "broken" / "checkpoints" / "last.ckpt").exists() and group[0].is_alive():
        time.sleep(0.01)
    os.kill(group[1].pid, signal.SIGTERM)
    asked = time.time()
    assert ended(group) == [143, 143]
    assert (tmp_path / "broken" / "checkpoints" / "last.ckpt").stat().st_mtime - asked < 10
    last = torch.load(tmp_path / "broken" / "checkpoints" / "last.ckpt", weights_only=True)
    state = next(value for key, value in last["callbacks"].items() if key.startswith(LastCheckpoint.__name__))
    assert (last["global_step"], state["broken_off"]) == (2, True)
    assert ended(started(2, tmp_path / "broken", [*two, "resume=auto"])) == [0, 0]
    assert ended(started(2, tmp_path / "whole", two)) == [0, 0]
    assert same(tensors(tmp_path / "whole"), tensors(tmp_path / "broken"))


def torchrun(*typed: str) -> subprocess.CompletedProcess[str]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "src.train"]
    return subprocess.run([*launch, *typed], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_torchrun_makes_one_run_directory_continues_it_with_more_epochs_and_sees_that_it_has_finished(tmp_path):
    """Typed as in the README: without a directory, and without threads, which are shared between the processes."""
    typed = on_top(TINY, ["trainer=ddp_cpu", "data.source.train=32", "trainer.max_epochs=1", f"runs_dir={tmp_path}"])
    typed.remove("threads=1")
    first = torchrun(*typed, "resume=auto")
    assert first.returncode == 0, first.stderr
    (run_dir,) = tmp_path.glob("lenet-shapes/*")
    more = torchrun(f"resume={run_dir}", "trainer.max_epochs=2")
    assert more.returncode == 0, more.stderr
    again = torchrun(*on_top(typed, ["trainer.max_epochs=2"]), "resume=auto", f"run_dir={run_dir}")
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines() == [str(run_dir)]
    log = (run_dir / "log.txt").read_text()
    assert [len(re.findall(f"epoch {epoch} ", log)) for epoch in ("1/1", "1/2", "2/2")] == [1, 0, 1]
    record = json.loads((run_dir / "record.json").read_text())
    assert (record["status"], record["threads"]) == ("finished", max(1, cores() // 2))


@pytest.fixture
def alone(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train"])


def auto(*overrides: str) -> None:
    session.start_or_continue(compose("train", [*on_top(TINY, overrides), "resume=auto"]))


def test_a_run_interrupted_before_its_training_is_not_a_failed_one(tmp_path, monkeypatch, alone):
    def interrupted(*given, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr("src.runs.training.train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run")
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert (record["status"], record["reason"]) == ("interrupted", "interrupted by SIGINT")


def test_auto_finds_the_interrupted_run_of_the_same_overrides(tmp_path, monkeypatch, alone):
    """Not one of other overrides, nor one that has finished."""
    short = ("data.source.train=48", "trainer.max_epochs=2", f"runs_dir={tmp_path}")
    auto(*short, "trainer.max_epochs=1")
    original = session.start

    def dies(composed):
        killed_at = tmp_path / "lenet-shapes"
        before = set(killed_at.iterdir())
        with monkeypatch.context() as patch:
            patch.setattr(session, "_train", lambda *_, **__: None)
            original(composed)
        assert len(set(killed_at.iterdir()) - before) == 1

    with monkeypatch.context() as patch:
        patch.setattr(session, "start", dies)
        auto(*short)
    auto(*short)
    runs = sorted((tmp_path / "lenet-shapes").iterdir())
    assert [json.loads((run / "record.json").read_text())["status"] for run in runs] == ["finished"] * 2
    assert len(json.loads((runs[-1] / "metrics.json").read_text())) > 3


def test_auto_continues_the_run_in_run_dir_and_refuses_what_would_change_its_result(tmp_path, monkeypatch, alone):
    options = ("data.source.train=48", "callbacks.last.every_n_train_steps=2")
    killed(monkeypatch, tmp_path / "run", 4, "data.source.train=48")
    for changed in ("optimizer.lr=0.5", "data.batch_size=8"):
        with pytest.raises(UserError, match=r"optimizer\.lr=0\.5|data\.batch_size=8"):
            auto(*options, changed, f"run_dir={tmp_path}/run")
    with pytest.raises(UserError, match=r"was started with .*data\.source\.train=48"):
        session.start_or_continue(compose("train", [*TINY[:1], f"run_dir={tmp_path}/run", "resume=auto"]))
    auto(*options, f"run_dir={tmp_path}/run")
    assert same(tensors(tmp_path / "run"), tensors(train(tmp_path / "whole", *options)))
    auto(*options, f"run_dir={tmp_path}/run")  # has finished: nothing is done


def test_what_srun_started_with_the_first_process_ends_with_it_where_nothing_is_to_be_trained(
    tmp_path, monkeypatch, alone
):
    """A second task is told in a file: the run has finished, or what was typed is a mistake."""
    short = ("data.source.train=48", "trainer.max_epochs=1", f"runs_dir={tmp_path}", f"run_dir={tmp_path}/run")
    auto(*short)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    for step, code, typed in ((0, 0, ()), (1, 2, ("optimizer.lr=0.5",))):
        monkeypatch.setenv("SLURM_STEP_ID", str(step))
        monkeypatch.setenv("SLURM_PROCID", "0")
        with pytest.raises(UserError, match="optimizer") if code else contextlib.nullcontext():
            auto(*short, *typed)
        monkeypatch.setenv("SLURM_PROCID", "1")
        with pytest.raises(SystemExit) as ended_too:
            auto(*short, *typed)
        assert ended_too.value.code == code


def test_a_job_continued_by_hand_is_seen_by_its_sweep_as_running(tmp_path, monkeypatch):
    """... and one that its sweep continues goes by the lock that it was given."""
    path, held = tmp_path / "job", []
    monkeypatch.setattr(session, "_train", lambda *_, **__: held.append(locks.holder(path / locks.JOB)))
    train(path)
    (path / "job.json").write_text("{}")
    resume(path)
    assert held == [None, os.getpid()]
    assert not locks.is_held(path / locks.JOB)
    given = locks.hold(path / locks.JOB)
    assert given is not None
    resume(path)
    assert locks.is_held(path / locks.JOB)
    os.close(given)
