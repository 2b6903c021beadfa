"""The first training batch as a picture (`debug=batch`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.data.preview import save_batch_picture
from src.runs.training import open_data


def save_first_batch(config: Mapping[str, Any], name: str) -> Path:
    """Write a picture of the first training batch, as the network would see it, and return where."""
    data = open_data(config)
    spec = data.open()
    batch = data.with_images(next(iter(data.train_dataloader())))
    batch = data.mixed(batch | {"image": batch["image"].float()})
    batch["image"] = batch["image"].round().byte()
    folder = Path(config["run_dir"] or config["runs_dir"])
    return save_batch_picture(batch, spec.classes, folder / f"batch-{name}.png")
