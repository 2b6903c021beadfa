"""How several processes train one network: Lightning's strategies, with how long they wait for one another."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from annotated_types import Gt
from pytorch_lightning.strategies import DDPStrategy, FSDPStrategy

Timeout = Annotated[float, Gt(0)]
"""Seconds that a process waits for the others, in any exchange with them, before it gives up."""


def ddp(*, timeout: Timeout) -> DDPStrategy:
    """Return the strategy in which each process has the whole network, and they average gradients."""
    return DDPStrategy(timeout=timedelta(seconds=timeout))


def fsdp(*, timeout: Timeout) -> FSDPStrategy:
    """Return the strategy in which parameters, gradients and the optimizer's state are divided among the processes."""
    return FSDPStrategy(timeout=timedelta(seconds=timeout))
