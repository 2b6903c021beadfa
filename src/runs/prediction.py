"""Predicting a person's own images with a finished run; needs nothing but its directory."""

from __future__ import annotations

import glob
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from src.config.build import build
from src.config.signatures import class_literal
from src.data.augmentation import Augmentation
from src.data.crop import central_crop
from src.data.decode import IMAGE_SUFFIXES, Unreadable, decode
from src.data.image_size import image_size
from src.data.listing import list_images
from src.data.normalize import normalize
from src.data.spec import DataSpec
from src.data.view import View
from src.errors import UserError
from src.files import atomic, write_csv, write_json
from src.models.base import ImageModule, Reference, Row
from src.progress import progress
from src.runs.directory import RunDirectory
from src.runs.evaluation import restore_model

log = logging.getLogger(__name__)


def predict(
    config: dict[str, Any],
    run: RunDirectory,
    *,
    source: str,
    output: str,
    pictures: str | None,
    anchor: str | None,
    gallery: str | None,
    checkpoint: str,
    batch_size: int,
    num_workers: int,
    device: str,
) -> tuple[list[Row], Path]:
    """Write a row per image: its path and what the model has to say of it; `pictures` is a folder for drawings.

    Files that cannot be read are named on standard error and left out. Raises UserError where `source` matches no
    image, none can be read, `output` is neither .csv nor .json, or there is nothing, or no need, to compare with.
    """
    path = Path(output)
    if path.suffix not in (".csv", ".json"):
        raise UserError(f"output={output}: a name that ends in .csv or .json")
    require_reference(config, run, anchor, gallery)
    files = image_files("input", source)
    others = image_files("gallery", gallery) if gallery else [single_image("anchor", anchor)] if anchor else []
    spec = DataSpec.load(run.data)
    model = restore_model(config, run, spec, checkpoint).to(chosen_device(device))
    augment = build(config["augment"])

    def seen(paths: list[Path], key: str, value: str) -> _Seen:
        return _seen(model, _Images(paths, spec, augment), f"{key}={value}", batch_size, num_workers)

    reference = None
    if others:
        known = seen(others, *(("gallery", str(gallery)) if gallery else ("anchor", str(anchor))))
        reference = Reference([str(file) for file in known.files], known.predicted, gallery=bool(gallery))
    found = seen(files, "input", source)
    columns = model.prediction_rows(found.predicted, found.views, reference)
    rows = [{"path": str(file), **row} for file, row in zip(found.files, columns, strict=True)]
    (write_csv if path.suffix == ".csv" else write_json)(path, rows)
    if pictures is not None:
        folder = path.with_name(f"{path.stem}-pictures") if pictures == "auto" else Path(pictures)
        _draw(model, found.files, rows, spec, folder, asked=pictures != "auto")
    return rows, path


def require_reference(config: dict[str, Any], run: RunDirectory, anchor: str | None, gallery: str | None) -> None:
    """Raise UserError where images to compare with are missing, or given to a model that compares nothing."""
    given = [f"{key}={value}" for key, value in (("anchor", anchor), ("gallery", gallery)) if value is not None]
    target = config["model"]["_target_"]
    name = target.rpartition(".")[2]
    if not class_literal(target, "compares"):
        if given:
            raise UserError(f"{' '.join(given)}: run={run.path} is a {name}, which compares no images; leave it out")
    elif len(given) != 1:
        what = "not with both; leave out one of the two." if given else "with what?"
        raise UserError(
            f"run={run.path} is a {name}, which compares images: {what} Type anchor=IMAGE, which each input is "
            "compared with, or gallery=FOLDER, in which the nearest is found"
        )


@dataclass(frozen=True)
class _Seen:
    """The readable files, what the network saw of each, and what it said."""

    files: list[Path]
    views: list[View]
    predicted: dict[str, torch.Tensor]


def _seen(model: ImageModule, images: _Images, asked: str, batch_size: int, num_workers: int) -> _Seen:
    """Apply the model to images. Raises UserError where none can be read."""
    files: list[Path] = []
    views: list[View] = []
    answers: list[dict[str, torch.Tensor]] = []
    for batch in _batches(images, batch_size, num_workers):
        files += [images.files[i] for i in batch.positions]
        views += batch.views
        with torch.inference_mode():
            normalized = normalize(batch.images.to(model.device), images.spec.mean, images.spec.std)
            answers.append({key: value.cpu() for key, value in model.predicted(normalized).items()})
    if not answers:
        raise UserError(f"{asked}: none of {len(images)} files can be read")
    return _Seen(files, views, {key: torch.cat([answer[key] for answer in answers]) for key in answers[0]})


def _draw(
    model: ImageModule, files: Sequence[Path], rows: Sequence[Row], spec: DataSpec, folder: Path, *, asked: bool
) -> None:
    """Write a PNG per image with its row drawn into it, numbered and named as its file."""
    if type(model).drawing is ImageModule.drawing:
        if asked:
            raise UserError(f"pictures={folder}: a {type(model).__name__} has nothing to draw; leave it out")
        return
    digits = len(str(len(files)))
    for number, (file, row) in enumerate(zip(files, rows, strict=True)):
        picture = model.drawing(decode(file, spec.channels, span=spec.span), row)
        if picture is not None:
            with atomic(folder / f"{number:0{digits}d}-{file.stem}.png") as stream:
                Image.fromarray(picture.squeeze()).save(stream, "png")
    log.info("%s: the answers drawn into the images", folder)


def single_image(key: str, source: str) -> Path:
    """Return the image that `key=source` names. Raises UserError where it names none, or several."""
    found = image_files(key, source)
    if len(found) > 1:
        raise UserError(f"{key}={source}: one image is expected, found {len(found)}")
    return found[0]


def image_files(key: str, source: str) -> list[Path]:
    """Return the images that a file, a folder (with all below it) or a glob names, sorted. Raises UserError if none."""
    path = Path(source)
    if path.is_dir():
        listing = list_images(path)
        found = [Path(file) for file in listing.images]
        if (left_out := listing.left_out()) is not None:
            log.warning("%s=%s: %s", key, source, left_out)
    elif path.exists():
        found = [path]
    else:
        matches = glob.glob(source, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        found = [file for file in map(Path, matches) if file.is_file() and "__MACOSX" not in file.parts]
    if not found:
        what = f"no image in the folder {source}" if path.is_dir() else f"no file {source}, nor a folder"
        raise UserError(f"{key}={source}: {what}; images end in {', '.join(sorted(IMAGE_SUFFIXES))}")
    return sorted(found)


def chosen_device(device: str) -> torch.device:
    """Return the device that `auto` or a name means. Raises UserError where it is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"device={device}: expected auto, cpu, cuda or cuda:N") from error
    if chosen.type not in ("cpu", "cuda") and not (chosen.type == "mps" and torch.backends.mps.is_available()):
        raise UserError(f"device={device}: expected auto, cpu, cuda or cuda:N, of what this machine has")
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device={device}: this machine has no GPU that torch can use; type device=cpu")
    return chosen


class _Images(Dataset[tuple[NDArray[np.uint8], View] | str]):
    """Images as evaluation sees them with what part that is, or the reason why one cannot be read."""

    def __init__(self, files: Sequence[Path], spec: DataSpec, augment: Augmentation) -> None:
        self.files, self.spec, self.augment = files, spec, augment

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, position: int) -> tuple[NDArray[np.uint8], View] | str:
        file, channels, working, span = self.files[position], self.spec.channels, self.spec.working, self.spec.span
        size, crop = self.spec.image_size, self.spec.eval_crop
        try:
            if working is None:
                image = decode(file, channels, span=span)
                height, width = image.shape[:2]
            else:
                image = working.fitted({"image": decode(file, channels, working.side, span)})["image"]
                height, width = image_size(file, channels)
        except Unreadable as error:
            return error.reason
        seen = self.augment.evaluate({"image": image}, size, crop)["image"]
        rows, columns = image.shape[:2]
        return seen, View(height, width, central_crop(rows, columns, size, crop), (rows, columns))


@dataclass
class _Batch:
    positions: list[int]
    views: list[View]
    images: torch.Tensor
    """uint8 (B, C, H, W)."""


def _batches(images: _Images, batch_size: int, num_workers: int) -> Iterator[_Batch]:
    """Yield the readable images in whole batches but for the last."""
    positions: list[int] = []
    views: list[View] = []
    stack: list[NDArray[np.uint8]] = []
    loader = DataLoader(images, batch_size=None, num_workers=num_workers, collate_fn=_as_it_is)
    for position, found in enumerate(progress(loader, "Predicting", unit="images")):
        if isinstance(found, str):
            log.warning("left out: %s %s", images.files[position], found)
        else:
            positions.append(position)
            stack.append(found[0])
            views.append(found[1])
        if stack and (len(stack) == batch_size or position == len(images) - 1):
            yield _Batch(positions, views, torch.from_numpy(np.stack(stack)).permute(0, 3, 1, 2))
            positions, views, stack = [], [], []


def _as_it_is(image: Any) -> Any:
    return image
