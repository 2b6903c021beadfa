"""What layers give while an image passes through a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from src.explanations.subject import Subject


class _Reached(Exception):
    """The last layer that is wanted has given its output."""


@contextmanager
def tapped(subject: Subject, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Fill a dictionary with what layers give, as maps (B, C, H, W), in every pass through the network.

    What follows is given a copy, so that a later addition in place does not reach what is kept; gradients flow through.
    """
    kept: dict[str, Tensor] = {}
    handles = [
        subject.network.get_submodule(name).register_forward_hook(_keeping(subject, kept, name)) for name in names
    ]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def outputs_of(subject: Subject, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Return what layers give for normalised images (B, C, H, W); the network is left when the last has been passed."""
    order = list(subject.shapes)
    name = max(names, key=order.index)
    last, remaining = subject.network.get_submodule(name), [None] * subject.times[name]

    def leave(module: Any, inputs: Any, output: Any) -> None:
        remaining.pop()
        if not remaining:
            raise _Reached

    with tapped(subject, names) as kept:
        handle = last.register_forward_hook(leave)
        try:
            subject.run_network(images)
        except _Reached:
            pass
        finally:
            handle.remove()
    return kept


def strengths(output: Tensor) -> tuple[Tensor, Tensor]:
    """Return the strongest answer of each channel of maps (B, C, H, W), and the place of it in H * W: (B, C) each."""
    found = output.flatten(2).max(dim=2)
    return found.values, found.indices


def _keeping(subject: Subject, kept: dict[str, Tensor], name: str) -> Callable[[Any, Any, Tensor], Tensor]:
    field = subject.trace.fields.get(name)

    def hook(module: Any, inputs: Any, output: Tensor) -> Tensor:
        kept[name] = output
        if field is not None and output.ndim == 4:
            places = (len(field.rows.first), len(field.columns.first))
            if tuple(output.shape[2:]) != places and tuple(output.shape[1:3]) == places:  # channels last
                kept[name] = output.permute(0, 3, 1, 2)
                return kept[name].permute(0, 2, 3, 1).clone()  # what follows depends on what is kept
        return output.clone()

    return hook
