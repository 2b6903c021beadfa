"""Checkpoints that survive a kill at any moment, and are read without executing what they hold."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.utilities.types import _PATH
from pytorch_lightning.plugins.io import CheckpointIO

from src.errors import UserError
from src.files import atomic


class AtomicCheckpointIO(CheckpointIO):
    """Writes beside the target, flushes and renames; Lightning's own goes through the system's temporary folder."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any | None = None) -> None:
        """Write a checkpoint; the one that it replaces stays until the new one is on disk."""
        with atomic(Path(path)) as file:
            torch.save(checkpoint, file)

    def load_checkpoint(
        self, path: _PATH, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint of tensors and plain containers."""
        return load_checkpoint(Path(path))

    def remove_checkpoint(self, path: _PATH) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU. Raises UserError where it is missing, cut off, or holds code."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"no checkpoint {path}: the run stopped before its first one, or it was removed") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"checkpoint {path} cannot be read: {first}") from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise UserError(f"{path} is not a checkpoint of a run: it has no state_dict")
    return checkpoint
