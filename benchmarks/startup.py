"""How soon the command line answers, and how soon a training takes its first step (python -m benchmarks.startup)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import ROOT, Quartiles, paired, ratios, table

if TYPE_CHECKING:
    from pytorch_lightning import Callback

BARE = """
import os, torch, torchvision
network = torchvision.models.resnet18(num_classes=8)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
images, labels = torch.rand(16, 3, 32, 32), torch.randint(8, (16,))
torch.nn.functional.cross_entropy(network(images), labels).backward()
optimizer.step()
os._exit(0)
"""
SAME = (
    *("model=resnet", "network.stem=imagenet", "trainer=cpu", "trainer.max_epochs=1", "data.batch_size=16"),
    *("data.image_size=32", "data.source.size=32", "data.source.train=64", "data.source.val=16", "data.source.test=16"),
    *("allowed_packages=[benchmarks]", "callbacks.first_step._target_=benchmarks.startup.first_step"),
)


@dataclass(frozen=True)
class Timing:
    """The wall-clock seconds of a command, and the exit codes that it ended with."""

    name: str
    seconds: tuple[float, ...]
    codes: frozenset[int]

    @property
    def median(self) -> float:
        """Return the median in seconds."""
        return Quartiles.of(self.seconds).median


def first_step() -> Callback:
    """Return a callback that ends the process when the first training step is done."""
    from pytorch_lightning import Callback

    class FirstStep(Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            os._exit(0)

    return FirstStep()


def wall(command: Sequence[str], codes: set[int]) -> float:
    """Return the seconds that a command takes; its exit code is added to `codes`."""
    start = time.perf_counter()
    codes.add(subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode)
    return time.perf_counter() - start


def timed(commands: dict[str, Callable[[], Sequence[str]]], rounds: int) -> list[Timing]:
    """Run the commands in turn."""
    codes: dict[str, set[int]] = {name: set() for name in commands}
    candidates = {name: partial(lambda name: wall(commands[name](), codes[name]), name) for name in commands}
    found = paired(candidates, rounds)
    return [Timing(name, tuple(values), frozenset(codes[name])) for name, values in found.items()]


def answers(repeats: int = 5) -> list[Timing]:
    """Time help, `--cfg job` and mistakes: in a user's experiment file, on the command line, in a choice."""
    train = [sys.executable, "-m", "src.train"]
    with tempfile.TemporaryDirectory() as folder:
        experiment = Path(folder, "experiment", "e.yaml")
        experiment.parent.mkdir()
        experiment.write_text("# @package _global_\ntrainer: {max_epoch: 3}\nmodle: x\n")
        own = ["--config-dir", folder, "experiment=e"]
        commands = {
            "four mistakes, in a file and typed": [*train, *own, "optimizer.lr=abc", "data.batchsize=4"],
            "model=resnt": [*train, "model=resnt"],
            "--help": [*train, "--help"],
            "--cfg job": [*train, "--cfg", "job"],
        }
        return timed({name: partial(list, command) for name, command in commands.items()}, repeats)


def first_steps(repeats: int = 5) -> list[Timing]:
    """Time everything from Enter to the end of the first training step: a bare script's, ours, and ours with W&B."""
    with tempfile.TemporaryDirectory() as folder:

        def ours(logger: str) -> list[str]:
            made = tempfile.mkdtemp(dir=folder)
            fixed = (f"threads={os.environ.get('OMP_NUM_THREADS', 'auto')}", f"run_dir={made}/run")
            return [sys.executable, "-m", "src.train", *SAME, f"logger={logger}", *fixed]

        return timed(
            {
                "a bare script: torch, torchvision, one step": lambda: [sys.executable, "-c", BARE],
                "ours, logger=csv": lambda: ours("csv"),
                "ours, logger=wandb (offline)": lambda: [*ours("wandb"), "logger.wandb.mode=offline"],
            },
            repeats,
        )


def main() -> str:
    """Return the section: a table of first steps and one of answers."""
    steps, quick = first_steps(), answers()
    wrong = [f"{timing.name}: {sorted(timing.codes)}" for timing in steps if timing.codes != {0}]
    if wrong:
        raise RuntimeError(f"a training did not reach its first step, exit codes of {'; '.join(wrong)}")
    found = {timing.name: timing.seconds for timing in steps}
    rows = [
        [name, Quartiles.of(seconds).shown(".2f"), ratios(found, name, steps[0].name).shown(".2f")]
        for name, seconds in found.items()
    ]
    said = [
        [timing.name, Quartiles.of(timing.seconds).shown(".2f"), ", ".join(map(str, sorted(timing.codes)))]
        for timing in quick
    ]
    return "\n".join(
        [
            "## From Enter to the first step\n",
            table(("ResNet-18, 16 images of 32 px", "seconds", "times the bare script"), rows),
            "\n## From Enter to an answer\n",
            table(("answer", "seconds", "exit code"), said),
        ]
    )


if __name__ == "__main__":
    print(main())
