"""Starting a job as a process of its own: a copy of this one, which has imported torch already, or a fresh interpreter.

Importing torch and Lightning takes seconds, a copy milliseconds. A copy goes through the command like any other: it
reads its arguments, composes, checks and trains; nothing that it does reaches this process or another job.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from src.config.groups import leaves
from src.sweeps.locks import holder, is_held

FOR_ONE_PROCESS = ("SLURM_", "LOCAL_RANK", "NODE_RANK", "RANK", "WORLD_SIZE", "MASTER_", "TORCHELASTIC_")
"""What a scheduler or launcher tells a process about its siblings. A job has none, or starts them itself."""

BEYOND_ANY_WORD = 1 << 20
"""Where a job stands in the file of its lock: behind what is written there, which is not for it to read."""

NVML = "PYTORCH_NVML_BASED_CUDA_CHECK"
"""Has torch ask the management library which GPUs there are, rather than the driver, which copies cannot share."""


class Running(Protocol):
    """A job that was started."""

    def poll(self) -> int | None:
        """Return its exit code, negative where a signal ended it; None while it runs."""

    @property
    def detached(self) -> bool:
        """Whether it goes on by itself when the sweep is stopped."""

    def send_signal(self, signum: int) -> None:
        """Send it a signal."""


class Copy:
    """A job that is a copy of this process."""

    detached = False

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def send_signal(self, signum: int) -> None:
        """Send it a signal, unless it has ended. In a signal's handler, which may have interrupted `poll`."""
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)


class Interpreter(subprocess.Popen[bytes]):
    """A job in an interpreter of its own."""

    detached = False


Started = Copy | Interpreter


class Adopted:
    """A job that an earlier start of the sweep left behind; it has ended when nobody holds its lock.

    Its exit code went to a process that is gone: what it reached is in its record.
    """

    def __init__(self, lock: Path) -> None:
        self.lock = lock

    def poll(self) -> int | None:
        """Return 0 when it has ended; None while it runs."""
        return None if is_held(self.lock) else 0

    @property
    def detached(self) -> bool:
        """Whether it cannot be told anything: it runs on another machine."""
        return holder(self.lock) is None

    def send_signal(self, signum: int) -> None:
        """Send it a signal, where it runs here."""
        if (pid := holder(self.lock)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)


def start(
    arguments: Sequence[str],
    log: Path,
    lock: int,
    environment: Mapping[str, str],
    *,
    copy: bool,
    private: Sequence[int],
) -> Started:
    """Start `python -m src.train ARGUMENTS`, with its output appended to `log`.

    The job has the file descriptor `lock` for its standard input, where there is nothing to read, and of the caller's
    others none of `private`. So all that it starts holds the lock too: Lightning closes every other descriptor in the
    further processes of a training.
    """
    os.lseek(lock, BEYOND_ANY_WORD, os.SEEK_SET)
    cleared = {key: value for key, value in os.environ.items() if not key.startswith(FOR_ONE_PROCESS)}
    with log.open("ab") as output:
        if copy:
            return _copy(arguments, lock, output.fileno(), cleared | dict(environment), private)
        return Interpreter(
            [sys.executable, "-m", "src.train", *arguments],
            env=cleared | dict(environment),
            stdin=lock,
            stdout=output,
            stderr=output,
        )


def _copy(
    arguments: Sequence[str], lock: int, output: int, environment: Mapping[str, str], private: Sequence[int]
) -> Copy:
    sys.stdout.flush()
    sys.stderr.flush()
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # one that comes now must not meet our handlers there
    pid = os.fork()
    if not pid:
        code = 1
        try:
            for descriptor in private:
                os.close(descriptor)
            os.dup2(lock, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
                if signum != signal.SIGHUP or signal.getsignal(signum) is not signal.SIG_IGN:  # as `nohup` has it
                    signal.signal(signum, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            code = _run(arguments, environment)
        finally:
            os._exit(code)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return Copy(pid)


def _run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Be `python -m src.train ARGUMENTS` from its first line to its last; returns the exit code."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    sys.orig_argv[:] = [sys.executable, "-m", "src.train", *arguments]
    code = 0
    try:
        runpy.run_module("src.train", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()  # what libraries finish when a program ends, such as W&B's upload
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def preload(config: Mapping[str, object]) -> bool:
    """Import what the first job needs, once for all of them; nothing is built and no device touched.

    Returns whether this process can be copied: not where some module has taken a GPU when it was imported, which a copy
    could not use.
    """
    before = os.environ.get(NVML)
    os.environ[NVML] = "1"
    try:
        importlib.import_module("src.runs.training")
        for key, target in leaves(config).items():
            if key.endswith("_target_") and isinstance(target, str):
                with contextlib.suppress(Exception):  # the job that needs it says what is wrong
                    importlib.import_module(target.rpartition(".")[0])
    finally:
        del os.environ[NVML]
        if before is not None:
            os.environ[NVML] = before
    import torch

    return not torch.cuda.is_initialized()  # type: ignore[no-untyped-call]


def run_to_end(command: Sequence[str]) -> int:
    """Run a command to its end and return its exit code. A Ctrl-C is the command's: it saves, and is waited for."""
    process = subprocess.Popen(command)
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, handler)
