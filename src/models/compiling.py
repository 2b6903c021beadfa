"""Compiling a network in place, by torch.compile."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Literal

from torch import nn

from src.errors import UserError

Compile = bool | Literal["default", "reduce-overhead", "max-autotune"]
GRAPHS = ("reduce-overhead", "max-autotune")
"""The modes that record CUDA graphs: what such a network returned is overwritten when it runs again."""


def compile_in_place(network: nn.Module, mode: Compile) -> None:
    """Compile a network when it first runs; in place, since a wrapper would change the names of the weights.

    Raises UserError where there is no compiler for what torch generates.
    """
    if mode is False:
        return
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        raise UserError(
            f"model.compile needs the C++ compiler {compiler}, which is not there: install it (apt install g++), name "
            "another in the environment variable CXX, or type model.compile=false"
        )
    network.compile(mode="default" if mode is True else mode)
