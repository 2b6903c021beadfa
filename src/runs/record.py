"""record.json: what exactly was run, by whom and with what, and how it ended."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from src.cores import cores
from src.files import write_json
from src.runs.code import code_record, commit_state

PACKAGES = (
    *("torch", "torchvision", "pytorch-lightning", "hydra-core", "torchmetrics", "albumentations", "numpy", "timm"),
    *("opencv-python-headless", "pillow", "wandb"),
)


class Record:
    """The record of a run, rewritten whole whenever something is known; of a further rank it is not written at all."""

    def __init__(self, path: Path | None, values: dict[str, Any]) -> None:
        self.path, self.values = path, values

    @classmethod
    def begin(cls, path: Path | None, packages: Sequence[str] = (), **values: Any) -> Record:
        """Start the record of a run, or go on with it where it is continued, keeping when it was first started.

        Of `packages` beside the project, the code is recorded too.
        """
        earlier = read_record(path.parent) if path is not None else {}
        record = cls(path, earlier)
        code = code_record(packages=packages)
        if path is not None:
            write_json(path.with_name("code.json"), code)
        history = [*earlier.get("continued", []), _now()] if earlier else []
        record.update(
            status="running",
            reason=None,
            start=earlier.get("start", _now()),
            continued=history,
            end=None,
            command=" ".join([*sys.orig_argv]),
            code=commit_state() | {"digest": code["digest"]},
            versions=versions(),
            hardware=hardware(),
            seconds=earlier.get("seconds", {}),
            **values,
        )
        return record

    def update(self, **values: Any) -> None:
        """Set values and write the file."""
        self.values.update(values)
        if self.path is not None:
            write_json(self.path, self.values)

    def end(self, status: str, reason: str | None = None) -> None:
        """Close the record: finished, failed or interrupted, and why."""
        self.update(status=status, reason=reason, end=_now())

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the seconds of a block to the phase `name`."""
        start = time.monotonic()
        try:
            yield
        finally:
            seconds = self.values["seconds"]
            seconds[name] = round(seconds.get(name, 0.0) + time.monotonic() - start, 3)


def read_record(run_dir: Path) -> dict[str, Any]:
    """Return the record of a run, empty where there is none or it is damaged."""
    try:
        record = json.loads((run_dir / "record.json").read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def status_of(run_dir: Path) -> str | None:
    """Return how a run ended, or None where there is none."""
    return read_record(run_dir).get("status")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def hardware() -> dict[str, Any]:
    """Return host, processor with the vector instructions that torch uses of it, cores, and the GPUs that it sees."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "host": platform.node(),
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": cores(),
        "gpus": gpus,
    }


def processor() -> str:
    """Return the name of the processor's model."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
