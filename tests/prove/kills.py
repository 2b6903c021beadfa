"""Killed at twenty random moments and continued each time, a run ends with the bits of an undisturbed one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.prove.promise import ROOT, Promise, command, run, same, tensors

JOB = (
    *("model=resnet", "network.stem=imagenet", "data.source.size=32", "data.source.train=1600", "data.source.val=256"),
    *("data.source.test=128", "trainer.max_epochs=3", "data.batch_size=32", "augment=standard", "logger=csv"),
    *("trainer.accelerator=cpu", "callbacks.last.every_n_train_steps=7", "data.num_workers=0"),
)
KILLS = 20


def promises() -> Iterator[Promise]:
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        whole, broken = Path(folder, "whole"), Path(folder, "broken")
        start = time.monotonic()
        run("train", *JOB, f"run_dir={whole}")
        seconds = time.monotonic() - start
        kills, written, early = kill_and_continue(broken, seconds)
        equal = same(tensors(whole), tensors(broken))
        yield Promise(
            f"{kills} kills, {written} while a checkpoint was written, {early} before the first one",
            "identical" if equal else "different", "identical", equal,
        )  # fmt: skip


def kill_and_continue(run_dir: Path, seconds: float) -> tuple[int, int, int]:
    """Start and kill until `KILLS` are reached, then let the run end; returns the kinds of kills."""
    kills = written = early = 0
    elsewhere = {"TMPDIR": "/dev/shm"}  # once, temporary files on another file system
    while True:
        started = (run_dir / "compose.yaml").exists()
        had_checkpoint = (run_dir / "checkpoints" / "last.ckpt").exists()
        arguments = (f"resume={run_dir}",) if started else (*JOB, f"run_dir={run_dir}")
        environment = os.environ | (elsewhere if kills == 5 else {})
        process = subprocess.Popen(
            command("train", *arguments), cwd=ROOT, env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        if kills >= KILLS:
            _, errors = process.communicate()
            if process.returncode:
                raise RuntimeError(errors.decode()[-3000:])
            return kills, written, early
        part = lambda: any(run_dir.glob("checkpoints/.*.part"))  # noqa: E731
        if kills % 3 == 1:
            hit = wait_until(part, process, seconds * 2)
        else:
            time.sleep(random.uniform(0.3, 1.0) * seconds * (0.3 if kills < 2 else 0.9))
            hit = part()
        if process.poll() is not None:
            if process.returncode != 0:
                raise RuntimeError(process.stderr.read().decode()[-3000:])
            return kills, written, early
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kills, written = kills + 1, written + hit
        early += not had_checkpoint and not (run_dir / "checkpoints" / "last.ckpt").exists()


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if condition():
            return True
        time.sleep(0.0005)
    return False
