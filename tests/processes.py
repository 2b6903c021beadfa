"""Trainings of several processes, started from one that has imported torch already: importing it takes most of a test.

Each is a process as torchrun or srun would start one, with its rank in the environment.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from src.config.command import compose

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.training"])
PATIENCE = 120.0
"""Seconds that a group of processes may take."""

Group = list[ForkServerProcess]


def together(count: int, run_dir: Path, overrides: Sequence[str]) -> list[int | None]:
    """Train in `count` processes on the CPU, or in one without the strategy of several; return their exit codes."""
    return ended(started(count, run_dir, overrides))


def started(count: int, run_dir: Path, overrides: Sequence[str]) -> Group:
    """Start `count` processes that train, or continue where `overrides` are those of a run that exists."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    several = ["trainer=ddp_cpu", f"trainer.devices={count}"] if count > 1 else ["trainer=cpu"]
    typed = [*(item for item in overrides if not item.startswith("trainer.accelerator=")), *several]
    group = []
    for rank in range(count):
        process = CONTEXT.Process(target=one, args=(rank, count, port, typed, str(run_dir), dict(os.environ)))
        process.start()
        group.append(process)
    return group


def ended(group: Group) -> list[int | None]:
    """Wait for processes, and end those that outlast all patience; return their exit codes, None for those."""
    end = time.monotonic() + PATIENCE
    for process in group:
        process.join(max(0.0, end - time.monotonic()))
    codes = [process.exitcode for process in group]
    for process in group:
        process.kill()
    return codes


def one(rank: int, count: int, port: int, typed: Sequence[str], run_dir: str, environment: dict[str, str]) -> None:
    """Run the command in this process, as the one of `rank`."""
    os.environ.update(environment)
    if count > 1:
        os.environ.update(LOCAL_RANK=str(rank), NODE_RANK="0", WORLD_SIZE=str(count))
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    output = Path(f"{run_dir}-{rank}.txt")
    output.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout = sys.stderr = output.open("a", buffering=1)
    os.dup2(sys.stdout.fileno(), 1)
    os.dup2(sys.stdout.fileno(), 2)
    from src.runs import session

    while rank and not (Path(run_dir) / "compose.yaml").exists():
        time.sleep(0.01)
    sys.argv = ["train"]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "resume=auto" in typed and rank:
        session.continue_run(run_dir, (), Path(run_dir).parent)
    elif "resume=auto" in typed:
        session.start_or_continue(compose("train", [*typed, f"run_dir={run_dir}"]))
    else:
        session.start(compose("train", [*typed, f"run_dir={run_dir}"]))
