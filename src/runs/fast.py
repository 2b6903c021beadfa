"""`trainer=fast`: Lightning's Trainer with what this machine is fast with."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning import Trainer

log = logging.getLogger(__name__)

Precision = Literal[
    "auto", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "32-true", "64-true", "16", "bf16", "32", "64", 16, 32, 64
]  # fmt: skip
"""Lightning's, and `auto`."""
CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
"""By which Linux says that a processor computes in bfloat16; others would only imitate it, slowly."""


def fast_trainer(
    *, precision: Precision, matmul_precision: Literal["highest", "high", "medium"], **options: Any
) -> Trainer:
    """Return a Trainer with `precision=auto` replaced by bf16-mixed where the hardware computes in it, else 32-true.

    `matmul_precision=high` lets products of float32 matrices use TF32 where a GPU has it.
    """
    torch.set_float32_matmul_precision(matmul_precision)
    if precision == "auto":
        precision = "bf16-mixed" if has_bfloat16(str(options.get("accelerator", "auto"))) else "32-true"
        log.info("trainer.precision=auto: %s", precision)
    return Trainer(precision=precision, **options)


def has_bfloat16(accelerator: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether the device that an accelerator's name stands for here has bfloat16 of its own."""
    if accelerator in ("gpu", "cuda", "auto") and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if accelerator == "mps" or (accelerator in ("gpu", "auto") and torch.backends.mps.is_available()):
        return False
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    return any(CPU_FLAGS & set(line.split()) for line in lines if line.startswith("flags"))
