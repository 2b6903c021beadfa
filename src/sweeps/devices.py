"""Which GPUs a machine has, and which of them each of several jobs is given."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Mapping
from typing import Any

from src.errors import UserError


def visible_gpus() -> list[str]:
    """Return the GPUs of this machine as CUDA_VISIBLE_DEVICES names them, without loading torch or touching them.

    What CUDA_VISIBLE_DEVICES says already, as a scheduler sets it, is what there is. Of a GPU that is divided (MIG)
    its parts are returned.
    """
    typed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if typed is not None:
        return [name.strip() for name in typed.split(",") if name.strip() not in ("", "-1")]
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return listed_gpus(done.stdout) if done.returncode == 0 else []


def listed_gpus(text: str) -> list[str]:
    """Return the names in the output of `nvidia-smi -L`: of each GPU its parts where it is divided, else itself."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if gpu := re.search(r"^GPU \d+:.*\(UUID: (GPU-[^)]+)\)", line):
            found.append([gpu[1]])
        elif (part := re.search(r"^\s+MIG .*\(UUID: (MIG-[^)]+)\)", line)) and found:
            found[-1].append(part[1])
    return [name for names in found for name in (names[1:] or names)]


class Gpus:
    """The GPUs of a machine, lent to jobs."""

    def __init__(self, names: list[str]) -> None:
        self.names, self.free = names, list(names)

    def wanted(self, trainer: Mapping[str, Any]) -> int:
        """Return how many GPUs a job with such a `trainer` section needs; 0 where it computes on the CPU.

        Raises UserError where there are not so many.
        """
        accelerator, devices = trainer.get("accelerator", "auto"), trainer.get("devices", "auto")
        if accelerator not in ("auto", "gpu", "cuda") or (accelerator == "auto" and not self.names):
            return 0
        if isinstance(devices, str) and devices.isdigit():
            devices = int(devices)
        if isinstance(devices, list | str) and devices != "auto":
            raise UserError(
                f"trainer.devices={devices}: a sweep gives each job GPUs of its own; type how many, as in "
                "trainer.devices=1, and choose among them with CUDA_VISIBLE_DEVICES"
            )
        wanted = len(self.names) if devices in ("auto", -1) else int(devices)
        if wanted > len(self.names) or not wanted:
            raise UserError(f"trainer.devices={devices}, but there are {len(self.names)} GPUs here")
        return wanted

    def lend(self, count: int) -> list[str] | None:
        """Take so many free GPUs; None where there are not enough at the moment."""
        if count > len(self.free):
            return None
        lent, self.free = self.free[:count], self.free[count:]
        return lent

    def reserve(self, names: Collection[str]) -> None:
        """Lend nobody these GPUs until they are given back: jobs that were not started here compute on them."""
        self.free = [name for name in self.free if name not in names]

    def take_back(self, names: list[str]) -> None:
        """Give GPUs back, in the machine's order."""
        self.free = [name for name in self.names if name in {*self.free, *names}]
