"""Commands of the project in processes that are copies of one which has imported torch already."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.training"])
PATIENCE = 240.0
"""Seconds that a command may take on a busy machine."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, None where it had to be killed, and what it printed."""

    typed: tuple[str, ...]
    code: int | None
    output: str

    @property
    def fault(self) -> str | None:
        """What no input may cause: an exit code other than 0 and 2, or a traceback; None where all is well."""
        if self.code in (0, 2) and "Traceback (most recent call last)" not in self.output:
            return None
        return f"exit code {self.code}: python -m {' '.join(self.typed)}\n{self.output[-2500:]}"


def command(module: str, *typed: str) -> Ended:
    """Run `python -m src.MODULE ...` to its end."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output.txt"
        process = CONTEXT.Process(target=_run, args=(module, typed, str(output), dict(os.environ)))
        process.start()
        process.join(PATIENCE)
        code = process.exitcode
        process.kill()
        process.join()
        return Ended((f"src.{module}", *typed), code, output.read_text(errors="replace") if output.exists() else "")


def _run(module: str, typed: Sequence[str], output: str, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    sys.stdout = sys.stderr = Path(output).open("a", buffering=1, errors="backslashreplace")  # noqa: SIM115
    os.dup2(sys.stdout.fileno(), 1)
    os.dup2(sys.stdout.fileno(), 2)
    sys.argv = [f"src/{module}.py", *typed]
    try:
        runpy.run_module(f"src.{module}", run_name="__main__", alter_sys=True)
    except SystemExit:
        raise
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
