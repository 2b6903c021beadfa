"""Which weights were measured: a run's change as long as it trains, and figures outlive them."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import asdict, dataclass

import torch
from torch import nn

from src.runs.directory import RunDirectory
from src.runs.record import status_of


@dataclass(frozen=True)
class Origin:
    """Where weights come from: the epoch, counted from 1, and the step at whose end they were kept, where known."""

    epoch: int | None = None
    step: int | None = None

    @classmethod
    def of(cls, run: RunDirectory, checkpoint: str) -> Origin:
        """Return what a checkpoint of a run, `best` or `last`, says of itself; nothing where there is none."""
        path = run.chosen_checkpoint() if checkpoint == "best" else run.checkpoint(checkpoint)
        if not path.exists():
            return cls()
        known = torch.load(path, map_location="cpu", weights_only=True, mmap=True)  # without reading its tensors
        return cls(int(known["epoch"]) + 1, int(known["global_step"]))

    def as_json(self) -> dict[str, int]:
        """Return what is known."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        """Say it in words."""
        return "" if self.epoch is None else f"of epoch {self.epoch} (step {self.step})"


def state_digest(model: nn.Module) -> str:
    """Return eight letters that stand for the values of a model's weights: a run's change as long as it trains."""
    found = hashlib.blake2b(digest_size=4)
    for name, value in sorted(model.state_dict().items()):
        found.update(name.encode() + value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def note_unfinished(run: RunDirectory, origin: Origin) -> None:
    """Say on standard error that the weights are not a finished run's."""
    status = status_of(run.path)
    if status in (None, "finished"):
        return
    state = "has not finished and may be training still" if status == "running" else f"has ended as {status}"
    print(f"note: {run.path} {state}: these are its weights {origin}".rstrip(), file=sys.stderr)
