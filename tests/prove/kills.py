"""Killed at twenty random moments and continued each time, a run ends with the bits of an undisturbed one."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.prove.promise import ROOT, Promise, command, run, same, tensors

JOB = (
    *("model=resnet", "network.stem=imagenet", "data.source.size=32", "data.source.train=1600", "data.source.val=256"),
    *("data.source.test=128", "trainer.max_epochs=10", "data.batch_size=32", "augment=standard", "logger=csv"),
    *("trainer.accelerator=cpu", "callbacks.last.every_n_train_steps=7", "data.num_workers=0"),
)
KILLS = 20
TWO = (
    *("model=lenet", "data.source.size=32", "data.source.train=1600", "data.source.val=64", "data.source.test=64"),
    *("data.batch_size=4", "data.num_workers=0", "trainer.max_epochs=2", "threads=1", "logger=csv", "augment=standard"),
    *("trainer=ddp_cpu", "callbacks=[default,ema]", "callbacks.last.every_n_train_steps=5", "augment.mixup=0.2"),
    *("trainer.accumulate_grad_batches=2", "trainer.val_check_interval=0.5"),
)
GONE = 30.0
"""Seconds within which nothing is left running."""


def promises() -> Iterator[Promise]:
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        whole, broken = Path(folder, "whole"), Path(folder, "broken")
        run("train", *JOB, f"run_dir={whole}")
        early, writing, between = kill_and_continue(broken)
        equal = same(tensors(whole), tensors(broken))
        found = f"{'identical' if equal else 'different'} after {early + writing + between} kills"
        text = (
            f"killed {early} times before the first checkpoint, {writing} while one was written, {between} in between"
        )
        yield Promise(text, found, f"identical, {KILLS}", equal and early + writing + between == KILLS)
        yield from two_processes(Path(folder))


def two_processes(folder: Path) -> Iterator[Promise]:
    """Two processes of one training, of which the first, the second or both are killed."""
    whole, broken = folder / "two-whole", folder / "two-broken"
    run("train", *TWO, f"run_dir={whole}")
    last = broken / "checkpoints" / "last.ckpt"
    slowest = 0.0
    for who in ("first", "second", "both"):
        process, began = start(broken, elsewhere=False, job=TWO), time.time()
        wait_until(lambda start=began: last.exists() and last.stat().st_mtime > start, process)
        second = [pid for pid in running(broken) if pid != process.pid]
        for pid in {"first": [process.pid], "second": second, "both": [process.pid, *second]}[who]:
            os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        while running(broken) and time.monotonic() - killed < GONE:
            process.poll()
            time.sleep(0.05)
        slowest = max(slowest, time.monotonic() - killed)
        process.wait()
    process = start(broken, elsewhere=False)
    process.communicate()
    equal = process.returncode == 0 and same(tensors(whole), tensors(broken))
    text = "two processes, of which the first, the second and both were killed"
    yield Promise(f"{text}: bits", "identical" if equal else "different", "identical", equal)
    yield Promise(f"{text}: nothing is left running after", f"{slowest:.1f} s", f"{GONE:g} s", slowest < GONE)


def running(run_dir: Path) -> list[int]:
    """Return the processes with a run directory on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(run_dir).encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def kill_and_continue(run_dir: Path) -> tuple[int, int, int]:
    """Start and kill until `KILLS` are reached, then let the run end; returns how many kills were of which kind."""
    last = run_dir / "checkpoints" / "last.ckpt"
    early = writing = between = 0
    for number in range(KILLS):
        process = start(run_dir, elsewhere=number == 5)
        began = time.time()
        if number < 3:  # while the program starts, before anything is saved
            time.sleep(random.uniform(0.5, 5))
        elif number % 3 == 0:
            wait_until(lambda: any(run_dir.glob("checkpoints/.*.part")), process)
        else:
            wait_until(lambda start=began: last.exists() and last.stat().st_mtime > start, process)
            time.sleep(random.uniform(0, 1))
        if process.poll() is not None:
            raise RuntimeError(f"ended by itself after {number} kills:\n{process.stderr.read().decode()[-3000:]}")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        half_written = any(run_dir.glob("checkpoints/.*.part"))
        early, writing, between = (
            early + (not last.exists()),
            writing + (half_written and last.exists()),
            between + (last.exists() and not half_written),
        )
    process = start(run_dir, elsewhere=False)
    _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(errors.decode()[-3000:])
    return early, writing, between


def start(run_dir: Path, *, elsewhere: bool, job: Sequence[str] = JOB) -> subprocess.Popen[bytes]:
    """Start or continue the run; `elsewhere` puts the temporary folder on another file system."""
    arguments = (f"resume={run_dir}",) if (run_dir / "compose.yaml").exists() else (*job, f"run_dir={run_dir}")
    environment = os.environ | ({"TMPDIR": "/dev/shm"} if elsewhere else {})
    return subprocess.Popen(
        command("train", *arguments),
        cwd=ROOT,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None and not condition():
        time.sleep(0.0005)
