"""A map of class scores over a person's own images: the classifier of a run, its dense layers as filters."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from src.config.signatures import class_literal
from src.data.crop import resized
from src.data.decode import Unreadable, decode
from src.data.normalize import normalize
from src.data.spec import DataSpec
from src.errors import UserError
from src.files import atomic, write_csv, write_json
from src.models.base import Row
from src.models.classifier import Classifier, class_columns
from src.networks.convolutional import Convolutional
from src.networks.trace import trace
from src.progress import progress
from src.report.class_maps import picture_of_map
from src.runs.directory import RunDirectory
from src.runs.evaluation import restore_model
from src.runs.prediction import chosen_device, image_files, require_reference

log = logging.getLogger(__name__)

PIXELS = 1024 * 1024
"""To which `size=auto` brings larger images down: VGG19 takes half a GiB of memory for so many."""
MOST = 4 * PIXELS
"""Of any image, whatever `size` says and however long it is for its height: this bounds the memory."""


class TooLarge(ValueError):
    """An image that has too many pixels at the size at which its map is wanted."""


@dataclass(frozen=True)
class ClassMap:
    """The classes' logits (K, h, w) and probabilities (K, h, w) over an image brought to `height` by `width` pixels.

    The place (row, column) looks at the window of `side` pixels that begins at (begin + row * stride, begin + column *
    stride). Of a network without padding its answer is that to this window alone. Padding moves the first window's
    middle, and beyond the window the image counts too where without it there would be padding.
    """

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    height: int
    width: int
    side: int
    begin: float
    """Negative where the padding before the image lies in the first window."""
    stride: int


class Mapper:
    """A classifier over whole images, one at a time."""

    def __init__(self, model: Classifier, size: int | str) -> None:
        """Raise UserError where the network has no form as filters, or `size` is below the training's."""
        self.model, self.size, self.side = model, size, model.spec.image_size
        if isinstance(size, int) and size < self.side:
            raise UserError(
                f"size={size}: the network was trained on {self.side} px, and one place of its map needs as many; type "
                f"size={self.side} or more"
            )
        self.network = Convolutional(model.network, model.spec.channels, self.side).to(model.device).eval()
        features = trace(model.network, model.spec.channels, self.side, self.side).fields[self.network.features]
        seen = features.rows.whole(1)  # by one place of the map: all features of an image of the training's size
        self.begin = seen.offset + (seen.size - self.side) / 2

    def of(self, image: NDArray[np.uint8]) -> ClassMap:
        """Return the map over an image (H, W, C), brought to its size with the aspect kept."""
        spec, model = self.model.spec, self.model
        seen = resized(image, *self.extent(*image.shape[:2]))
        batch = torch.from_numpy(seen).permute(2, 0, 1)[None].to(model.device)
        with torch.inference_mode():
            logits = self.network(model.as_network_takes_them(normalize(batch, spec.mean, spec.std))).float()
            probabilities = _over_places(model, logits)
        height, width = seen.shape[:2]
        return ClassMap(
            logits[0].cpu().numpy(),
            probabilities[0].cpu().numpy(),
            height,
            width,
            self.side,
            self.begin,
            self.network.stride,
        )

    def extent(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width that an image of this size is seen at.

        The shorter side gets `size` pixels; of `auto` it keeps its own, as long as the image has not more than
        `PIXELS`. Neither side is below the training's. Raises TooLarge beyond `MOST`.
        """
        shorter = min(height, width)
        most = min(1.0, (PIXELS / (height * width)) ** 0.5)
        factor = self.size / shorter if isinstance(self.size, int) else most
        factor = max(factor, self.side / shorter)
        extent = round(height * factor), round(width * factor)
        if extent[0] * extent[1] > MOST:
            raise TooLarge(
                f"has {height}x{width} pixels, which a shorter side of {min(extent)} px makes {extent[0]}x{extent[1]}; "
                f"a map takes {MOST:,} at most: cut it, or type a smaller size="
            )
        return extent


def _over_places(model: Classifier, logits_BKHW: Tensor) -> Tensor:
    """Return the probabilities (B, K, h, w) of a map of logits."""
    places = logits_BKHW.movedim(1, -1)
    return model.probabilities(places).movedim(-1, 1)


def map_classes(
    config: dict[str, Any],
    run: RunDirectory,
    *,
    source: str,
    size: int | str,
    output: str,
    pictures: str | None,
    anchor: str | None,
    gallery: str | None,
    checkpoint: str,
    device: str,
) -> tuple[list[Row], Path]:
    """Write a row per image, the mean probabilities over its map, and of each image a picture and the map's numbers.

    Pictures and `.npz` files go to the folder `pictures`; one image is in memory at a time. Files that cannot be read,
    or are too large, are named on standard error and left out. Raises UserError where the run is not a classifier's or
    its network has no form as filters, for images to compare with, and where `source` matches no image or all are left
    out.
    """
    path = Path(output)
    if path.suffix not in (".csv", ".json"):
        raise UserError(f"output={output}: a name that ends in .csv or .json")
    require_classifier(config, run)
    require_reference(config, run, anchor, gallery)
    files = image_files("input", source)
    spec = DataSpec.load(run.data)
    uncompiled = config | {"model": config["model"] | {"compile": False}}  # the pass ends in the middle of the network
    model = restore_model(uncompiled, run, spec, checkpoint).to(chosen_device(device))
    assert isinstance(model, Classifier)
    if model.test_time_flip:
        log.warning("model.test_time_flip: a map is of the images as they are, not of their mirror images too")
    mapper = Mapper(model, size)
    folder = path.with_name(f"{path.stem}-maps") if pictures == "auto" else Path(pictures) if pictures else None
    digits, rows = len(str(len(files))), []
    for number, file in enumerate(progress(files, "Mapping", unit="images")):
        try:
            image = decode(file, spec.channels, size if isinstance(size, int) else None, spec.span)
            found = mapper.of(image)
        except Unreadable as error:
            log.warning("left out: %s %s", file, error.reason)
            continue
        except TooLarge as error:
            log.warning("left out: %s %s", file, error)
            continue
        mean = found.probabilities.mean(axis=(1, 2)).tolist()
        height, width = found.probabilities.shape[1:]
        columns = class_columns(spec.classes, mean, several=spec.multilabel)
        rows.append({"path": str(file), "map": f"{height}x{width}", **columns})
        if folder is not None:
            _write(folder / f"{number:0{digits}d}-{file.stem}", image, found, spec, rows[-1])
    if not rows:
        raise UserError(f"input={source}: none of {len(files)} files can be read and mapped")
    (write_csv if path.suffix == ".csv" else write_json)(path, rows)
    if folder is not None:
        log.info("%s: the maps drawn over the images, and their numbers", folder)
    return rows, path


def require_classifier(config: dict[str, Any], run: RunDirectory) -> None:
    """Raise UserError where a run's model has no classes at each place."""
    target = config["model"]["_target_"]
    if not class_literal(target, "maps_classes"):
        raise UserError(
            f"map=true: run={run.path} is a {target.rpartition('.')[2]}, and a map of class scores needs a classifier; "
            "leave it out"
        )


def _write(place: Path, image: NDArray[np.uint8], found: ClassMap, spec: DataSpec, row: Row) -> None:
    """Write a map as `place`.png and `place`.npz."""
    picture = picture_of_map(
        image,
        found.probabilities,
        spec.classes,
        begin=(found.begin / found.height, found.begin / found.width),
        starts=(found.stride / found.height, found.stride / found.width),
        window=(found.side / found.height, found.side / found.width),
        words=f"{place.name}: {row['class'] or 'none'}, {float(row['probability']):.0%} on average over {row['map']}",
        several=spec.multilabel,
    )
    with atomic(place.with_name(f"{place.name}.png")) as stream:
        Image.fromarray(picture).save(stream, "png")
    with atomic(place.with_name(f"{place.name}.npz")) as stream:
        np.savez_compressed(
            stream,  # type: ignore[arg-type]
            logits=found.logits,
            probabilities=found.probabilities,
            classes=np.array(spec.classes),
            image=np.array([found.height, found.width]),
            side=np.array(found.side),
            begin=np.array(found.begin),
            stride=np.array(found.stride),
        )
