"""Batches on their way to a GPU: copied beside the step that still computes, from pinned memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


class Transfer:
    """Copies batches on a stream of its own, so that a copy waits for no step and no step for a copy but its own.

    The program runs ahead of the GPU: when it asks for the next batch, the step before is still being computed, and
    images that lie in pinned memory (the loader's `pin_memory`) arrive meanwhile, as uint8. A batch that lies where it
    is wanted, as on a CPU, is handed on as it is.
    """

    def __init__(self) -> None:
        self._streams: dict[torch.device, torch.cuda.Stream] = {}

    def __call__(self, batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
        """Return the batch on a device."""
        if device.type == "cpu":
            return batch
        if device.type != "cuda":
            return {key: moved(value, device) for key, value in batch.items()}
        side, main = self._side(device), torch.cuda.current_stream(device)
        with torch.cuda.stream(side):
            there = {key: moved(value, device) for key, value in batch.items()}
        main.wait_stream(side)
        for tensor in tensors(there):
            tensor.record_stream(main)  # else its memory is given to the next copy while the step still reads it
        return there

    def _side(self, device: torch.device) -> torch.cuda.Stream:
        if device not in self._streams:
            self._streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        return self._streams[device]


def moved(value: Any, device: torch.device) -> Any:
    """Return a value of a batch on a device: a tensor, what holds tensors (a list, a named tuple), or neither."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(moved(part, device) for part in value))
    return [moved(part, device) for part in value] if isinstance(value, list) else value


def tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors of a batch, those within lists and named tuples too."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from tensors(part)
