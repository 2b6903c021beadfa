"""How soon the command line answers, beside a bare `import torch` (python -m benchmarks.startup)."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Timing:
    """The median, smallest and largest wall-clock seconds of a command, and the exit codes that it ended with."""

    name: str
    seconds: tuple[float, ...]
    codes: frozenset[int]

    @property
    def median(self) -> float:
        """Return the median in seconds."""
        return statistics.median(self.seconds)


def timed(name: str, command: Sequence[str], repeats: int = 5) -> Timing:
    """Run a command once to warm up and then `repeats` times."""
    seconds, codes = [], set()
    for _ in range(repeats + 1):
        start = time.perf_counter()
        codes.add(subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode)
        seconds.append(time.perf_counter() - start)
    return Timing(name, tuple(seconds[1:]), frozenset(codes))


def answers(repeats: int = 5) -> list[Timing]:
    """Time help, `--cfg job` and mistakes: in a user's experiment file, on the command line, in a choice."""
    train = [sys.executable, "-m", "src.train"]
    with tempfile.TemporaryDirectory() as folder:
        experiment = Path(folder, "experiment", "e.yaml")
        experiment.parent.mkdir()
        experiment.write_text("# @package _global_\ntrainer: {max_epoch: 3}\nmodle: x\n")
        own = ["--config-dir", folder, "experiment=e"]
        return [
            timed(
                "four mistakes, in a file and typed", [*train, *own, "optimizer.lr=abc", "data.batchsize=4"], repeats
            ),
            timed("model=resnt", [*train, "model=resnt"], repeats),
            timed("--help", [*train, "--help"], repeats),
            timed("--cfg job", [*train, "--cfg", "job"], repeats),
        ]


def main() -> None:
    """Print the table."""
    bare = timed("(a bare `import torch`)", [sys.executable, "-c", "import torch"])
    print("| answer | median s | min | max | share of import torch | exit code |\n|---|---|---|---|---|---|")
    for timing in [*answers(), bare]:
        low, high, codes = min(timing.seconds), max(timing.seconds), ", ".join(map(str, sorted(timing.codes)))
        share = timing.median / bare.median
        print(f"| {timing.name} | {timing.median:.2f} | {low:.2f} | {high:.2f} | {share:.2f} | {codes} |")


if __name__ == "__main__":
    main()
