"""Lightning's import without what torchmetrics would bring along and nobody here uses."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any


def import_lightning() -> None:
    """Import Lightning, which imports torch, torchvision and torchmetrics.

    For the sake of a name that another package once looked for there, torchmetrics imports scipy's signal processing,
    and to annotate functions that draw, matplotlib, where it is installed: together more than a second.
    """
    if "torchmetrics" not in sys.modules:
        with _later("scipy", ("scipy.signal",)), _later("matplotlib", ("matplotlib", *PARTS)):
            import pytorch_lightning  # noqa: F401


PARTS = ("matplotlib.axes", "matplotlib.colors", "matplotlib.pyplot")


class Later(ModuleType):
    """Stands for a module until something of it is used that is not known beforehand; then the real one answers."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for module in [key for key, held in sys.modules.items() if isinstance(held, Later)]:
            del sys.modules[module]
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def _unstyled(style: object) -> Iterator[None]:
    yield


KNOWN: dict[str, dict[str, Any]] = {
    "scipy.signal": {"hamming": None},
    "matplotlib.axes": {"Axes": object},
    "matplotlib.colors": {"Colormap": object},
    "matplotlib.pyplot": {"Figure": object, "style": SimpleNamespace(context=_unstyled)},
}
"""All that torchmetrics 1.9 asks of them while it is imported; what else it may ask another time, `Later` answers."""


@contextlib.contextmanager
def _later(package: str, names: tuple[str, ...]) -> Iterator[None]:
    """Let modules of a package be `Later` ones for a while; whoever imports them afterwards is given the real ones."""
    spec = importlib.util.find_spec(package) if package not in sys.modules else None
    if spec is None:  # not installed, or somebody has imported it already
        yield
        return
    parent = None if package in names else importlib.import_module(package)
    for name in names:
        module = Later(name)
        module.__dict__.update(KNOWN.get(name, {}), __spec__=spec if name == package else ModuleSpec(name, None))
        sys.modules[name] = module
        holder = sys.modules[package] if parent is None else parent
        if name != package:
            setattr(holder, name.rpartition(".")[2], module)
    try:
        yield
    finally:
        for name in names:
            if isinstance(sys.modules.get(name), Later):
                del sys.modules[name]
            if parent is not None and isinstance(parent.__dict__.get(name.rpartition(".")[2]), Later):
                delattr(parent, name.rpartition(".")[2])
