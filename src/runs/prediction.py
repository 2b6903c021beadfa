"""Predicting a person's own images with a finished run; needs nothing but its directory."""

from __future__ import annotations

import csv
import glob
import io
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from src.config.build import build
from src.data.augmentation import Augmentation
from src.data.decode import IMAGE_SUFFIXES, Unreadable, decode
from src.data.normalize import normalize
from src.data.spec import DataSpec
from src.errors import UserError
from src.files import write_text
from src.runs.directory import RunDirectory
from src.runs.evaluation import restore_model

log = logging.getLogger(__name__)

Row = dict[str, str | float]


def predict(
    config: dict[str, Any],
    run: RunDirectory,
    *,
    source: str,
    output: str,
    checkpoint: str,
    batch_size: int,
    num_workers: int,
    device: str,
) -> tuple[list[Row], Path]:
    """Write a row per image: its path and what the model has to say of it.

    Files that cannot be read are named on standard error and left out. Raises UserError where `source` matches no
    image, none can be read, or `output` is neither .csv nor .json.
    """
    path = Path(output)
    if path.suffix not in (".csv", ".json"):
        raise UserError(f"output={output}: a name that ends in .csv or .json")
    files = image_files(source)
    spec = DataSpec.load(run.data)
    model = restore_model(config, run, spec, checkpoint).to(chosen_device(device))
    images = _Images(files, spec, build(config["augment"]))
    rows: list[Row] = []
    for positions, batch in _batches(images, batch_size, num_workers):
        with torch.inference_mode():
            normalized = normalize(batch.to(model.device), spec.mean, spec.std)
            found = model.predictions(normalized)
        rows += [{"path": str(files[i]), **columns} for i, columns in zip(positions, found, strict=True)]
    if not rows:
        raise UserError(f"input={source}: none of {len(files)} files can be read")
    write_text(path, _as_csv(rows) if path.suffix == ".csv" else json.dumps(rows, indent=2) + "\n")
    return rows, path


def image_files(source: str) -> list[Path]:
    """Return the images that a file, a folder (with all below it) or a glob names, sorted. Raises UserError if none."""
    path = Path(source)
    if path.is_dir():
        found = [
            file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
        ]
    elif path.exists():
        found = [path]
    else:
        matches = glob.glob(source, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        found = [file for file in map(Path, matches) if file.is_file()]
    if not found:
        what = f"no image in the folder {source}" if path.is_dir() else f"no file {source}"
        raise UserError(f"input={source}: {what}; images end in {', '.join(sorted(IMAGE_SUFFIXES))}")
    return sorted(found)


def chosen_device(device: str) -> torch.device:
    """Return the device that `auto` or a name means. Raises UserError where it is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"device={device}: expected auto, cpu, cuda or cuda:N") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device={device}: this machine has no GPU that torch can use; type device=cpu")
    return chosen


class _Images(Dataset[NDArray[np.uint8] | str]):
    """Images as evaluation sees them, or the reason why one cannot be read."""

    def __init__(self, files: Sequence[Path], spec: DataSpec, augment: Augmentation) -> None:
        self.files, self.spec, self.augment = files, spec, augment

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, position: int) -> NDArray[np.uint8] | str:
        try:
            sample = {"image": decode(self.files[position], self.spec.channels)}
        except Unreadable as error:
            return error.reason
        image: NDArray[np.uint8] = self.augment.evaluate(sample, self.spec.image_size, self.spec.eval_crop)["image"]
        return image


def _batches(images: _Images, batch_size: int, num_workers: int) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Yield the positions and uint8 tensors (B, C, H, W) of readable images, whole batches but for the last."""
    positions: list[int] = []
    stack: list[NDArray[np.uint8]] = []
    for position, image in enumerate(
        DataLoader(images, batch_size=None, num_workers=num_workers, collate_fn=_as_it_is)
    ):
        if isinstance(image, str):
            log.warning("left out: %s %s", images.files[position], image)
            continue
        positions.append(position)
        stack.append(image)
        if len(stack) == batch_size:
            yield positions, torch.from_numpy(np.stack(stack)).permute(0, 3, 1, 2)
            positions, stack = [], []
    if stack:
        yield positions, torch.from_numpy(np.stack(stack)).permute(0, 3, 1, 2)


def _as_it_is(image: Any) -> Any:
    return image


def _as_csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
