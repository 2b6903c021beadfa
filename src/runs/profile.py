"""Where the time of training steps went: `debug=profile`."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge
from pytorch_lightning.profilers import Profiler

from src.files import write_json, write_text
from src.models.base import METRICS

log = logging.getLogger(__name__)

PARTS = {
    "waiting for data": r"\.train_dataloader_next$",
    "host to device": r"batch_to_device$|batch_transfer$",
    "forward": r"^\[Strategy\].*\.training_step$",
    "backward": r"^\[Strategy\].*\.backward$",
    "optimizer": r"\.optimizer_step$|\.optimizer_zero_grad$|\.lr_scheduler_step$",
    "logging and metrics": rf"^{METRICS}$|^\[Callback\]|\.on_train_batch_end$",
}
"""Which of Lightning's actions belong to which part, by pattern. All else is the framework's."""
FRAMEWORK = "framework"
BEGINS, COUNTS = re.compile(PARTS["waiting for data"]), "run_training_batch"
ENDS = re.compile(r"validation|\.val_|_epoch_end$|\.on_train_end$|save_checkpoint")
"""What is no part of a step: from here on the clock stands still until a batch is asked for."""


class StepProfiler(Profiler):
    """Divides the time of training steps among their parts, each moment counting for the innermost action.

    The parts therefore add up to the time of the steps. The first `warm_up` steps are left out: kernels are chosen and
    memory is allocated there. On a GPU every action begins and ends with waiting for it: only so is a kernel's time
    that of the part that launched it, and steps are slower than without the profile.
    """

    def __init__(self, *, warm_up: Annotated[int, Ge(0)]) -> None:
        super().__init__()
        self.warm_up = warm_up
        self.steps = 0
        self.seconds = dict.fromkeys([*PARTS, FRAMEWORK], 0.0)
        self._inside: list[str] = []
        self._running = False
        self._seen = 0
        self._last = 0.0

    def start(self, action_name: str) -> None:
        """Count the time so far for what was going on, and begin an action."""
        if not self._running:
            if not BEGINS.search(action_name):
                return
            self._running, self._inside, self._last = True, [], self._now()
        elif ENDS.search(action_name):
            self._count()
            self._running = False
            return
        self._count()
        self._inside.append(part_of(action_name, self._inside))

    def stop(self, action_name: str) -> None:
        """Count the time so far for the action, and go back to the one around it."""
        if not self._running:
            return
        self._count()
        if self._inside:
            self._inside.pop()
        if action_name == COUNTS:
            self._seen += 1
            self.steps = max(0, self._seen - self.warm_up)

    def _count(self) -> None:
        now = self._now()
        if self._seen >= self.warm_up:
            self.seconds[self._inside[-1] if self._inside else FRAMEWORK] += now - self._last
        self._last = now

    @staticmethod
    def _now() -> float:
        if _on_cuda():
            torch.cuda.synchronize()
        return time.perf_counter()

    def figures(self) -> dict[str, Any]:
        """Return steps, milliseconds per step in all and by part, and each part's share."""
        whole, steps = sum(self.seconds.values()), max(1, self.steps)
        return {
            "steps": self.steps,
            "left_out": min(self.warm_up, self._seen),
            "milliseconds_per_step": whole / steps * 1e3,
            "synchronised": _on_cuda(),
            "parts": {
                name: {"milliseconds": seconds / steps * 1e3, "share": seconds / whole if whole else 0.0}
                for name, seconds in self.seconds.items()
            },
        }

    def table(self) -> str:
        """Return the figures for people."""
        found = self.figures()
        if not self.steps:
            return f"no step to profile: all {found['left_out']} were left out (trainer.profiler.warm_up)"
        rows = [(name, part["milliseconds"], part["share"]) for name, part in found["parts"].items()]
        rows.append(("a step", found["milliseconds_per_step"], 1.0))
        lines = [f"{name:20} {milliseconds:10.3f} ms {share:7.1%}" for name, milliseconds, share in rows]
        how = "; the GPU was waited for after every action" if found["synchronised"] else ""
        return "\n".join([f"{self.steps} steps, after {found['left_out']} that are left out{how}:", *lines])

    def write(self, run_dir: Path) -> None:
        """Write profile.json and profile.txt, and say the table."""
        write_json(run_dir / "profile.json", self.figures())
        write_text(run_dir / "profile.txt", self.table() + "\n")
        log.info("%s", self.table())


def _on_cuda() -> bool:
    return torch.cuda.is_available() and bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def part_of(action: str, inside: list[str]) -> str:
    """Return the part that an action belongs to: by its name, else that of the action around it."""
    for part, pattern in PARTS.items():
        if re.search(pattern, action):
            return part
    return inside[-1] if inside else FRAMEWORK
