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


def test_signals_end_it_like_any_command(ended):
    """Not through the sweep's handlers, which it would have from its parent."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        assert ended(lambda: os.kill(os.getpid(), signal.SIGTERM))[0] == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


def test_processes_that_hold_cuda_are_not_copied(monkeypatch):
    import torch

    assert processes.preload({"model": {"_target_": "no.such.module"}})
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert not processes.preload({})
