"""What a job that is a copy of the sweep's process is given, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from src.sweeps import locks, processes


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """Return what starts a copy that does something in place of a training, and waits for its exit code."""
    monkeypatch.setattr(processes.atexit, "_run_exitfuncs", lambda: None)  # those of the tests' own process

    def run(action, *, environment=None) -> tuple[int, str]:
        monkeypatch.setattr(processes.runpy, "run_module", lambda name, **options: action())
        lock = locks.hold(tmp_path / "lock")
        log = tmp_path / "output.txt"
        started = processes.start(["a=1"], log, lock, environment or {}, copy=True, private=())
        os.close(lock)
        while started.poll() is None:
            time.sleep(0.005)
        return started.poll(), log.read_text()

    return run


def test_it_is_the_command_with_gpus_of_its_own_and_without_siblings(ended, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    shown = ("CUDA_VISIBLE_DEVICES", "SLURM_NTASKS")

    def show() -> None:
        text = f"{sys.argv[1:]} {sys.orig_argv[-3:]} {[os.environ.get(name) for name in shown]}"
        os.write(1, text.encode())  # past what catches the tests' output

    found = ended(show, environment={"CUDA_VISIBLE_DEVICES": "GPU-b"})
    assert found == (0, "['a=1'] ['-m', 'src.train', 'a=1'] ['GPU-b', None]")


def test_it_ends_as_a_command_does(ended):
    assert ended(lambda: sys.exit(2))[0] == 2
    assert ended(lambda: 1 / 0)[0] == 1
    assert ended(lambda: os.kill(os.getpid(), signal.SIGKILL))[0] == -signal.SIGKILL


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_signals_end_it_like_any_command(ended, signum):
    """Not through the sweep's handlers, which it would have from its parent."""
    before = signal.signal(signum, lambda *_: None)
    try:
        assert ended(lambda: os.kill(os.getpid(), signum))[0] == -signum
    finally:
        signal.signal(signum, before)


def test_nohup_stays_in_force_for_it(ended):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert ended(lambda: os.kill(os.getpid(), signal.SIGHUP))[0] == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("copy", [True, False])
def test_a_job_is_held_until_the_last_of_its_processes_has_ended_and_reads_nothing(tmp_path, monkeypatch, copy):
    """As Lightning starts further processes: with descriptors closed, and only the standard ones inherited."""
    program = tmp_path / "src" / "train.py"
    program.parent.mkdir()
    program.write_text(
        "import pathlib, subprocess, sys\n"
        "rank = subprocess.Popen(['sleep', '60'])\n"
        "pathlib.Path('seen').write_text(f'{rank.pid} {sys.stdin.read()!r}')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(processes.atexit, "_run_exitfuncs", lambda: None)
    monkeypatch.setattr(processes.runpy, "run_module", lambda name, **options: exec(program.read_text()))
    monkeypatch.setattr(sys, "stdin", open(0, closefd=False))  # noqa: SIM115 - what catches the tests' output closed it
    path = tmp_path / "lock"
    lock = locks.hold(path)
    started = processes.start([], tmp_path / "output.txt", lock, {}, copy=copy, private=())
    locks.leave_word(lock, str(started.pid))
    os.close(lock)
    while started.poll() is None:
        time.sleep(0.005)
    assert started.poll() == 0, (tmp_path / "output.txt").read_text()
    rank, read = (tmp_path / "seen").read_text().split()
    assert read == "''"
    assert locks.is_held(path)
    os.kill(int(rank), signal.SIGKILL)
    end = time.monotonic() + 10
    while locks.is_held(path) and time.monotonic() < end:
        time.sleep(0.005)
    assert not locks.is_held(path)


def test_a_signal_at_the_moment_in_which_a_job_ends_is_no_error(ended, tmp_path, monkeypatch):
    """It comes when the system has given away the exit code, and nobody has written it down."""
    monkeypatch.setattr(processes.runpy, "run_module", lambda name, **options: None)
    lock = locks.hold(tmp_path / "lock")
    copy = processes.start([], tmp_path / "output.txt", lock, {}, copy=True, private=())
    os.close(lock)
    wait = os.waitpid

    def interrupted(pid, options):
        found = wait(pid, 0)
        copy.send_signal(signal.SIGTERM)
        return found

    monkeypatch.setattr(processes.os, "waitpid", interrupted)
    assert copy.poll() == 0
    monkeypatch.setattr(processes, "holder", lambda lock: copy.pid)
    processes.Adopted(tmp_path / "lock").send_signal(signal.SIGTERM)


def test_processes_that_hold_cuda_are_not_copied(monkeypatch):
    import torch

    assert processes.preload({"model": {"_target_": "no.such.module"}})
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert not processes.preload({})
