"""The normalisation, size and crop that learned weights expect of their images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from src.networks.published import torchvision_weights
from src.networks.weights_file import is_url, local_file


@dataclass(frozen=True)
class Preprocessing:
    """What weights were trained on. `mean` and `std` have a value per channel, in units of [0, 1] images."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int
    crop: float | Literal["whole"]
    """The share of the shorter side that the central crop takes (224 of 256 px is 0.875), or the whole image."""
    interpolation: str | None
    """`bilinear` or `bicubic` as published; None where the weights do not say."""


def preprocessing(section: Mapping[str, Any]) -> Preprocessing | None:
    """Return what the weights of a `network` section expect, None for new networks and for weights that do not say.

    Published weights say it through torchvision or timm; a run directory, or a file inside one, through its
    `data.json`. Raises UserError for weights that do not exist: this is asked before any data are fetched.
    """
    weights = section.get("weights")
    if weights is None:
        return None
    published = published_weights(section)
    if weights in published:
        found = published[weights]
        return _of_torchvision(found) if hasattr(found, "transforms") else _of_timm(found)
    return None if is_url(weights) else _of_run(local_file(weights, published))


def published_weights(section: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the published weights of a network, of torchvision's type or timm's; its own module knows them."""
    module = import_module(str(section["_target_"]).rpartition(".")[0])
    found: Mapping[str, Any] = {}
    if hasattr(module, "published_configs"):
        found = module.published_configs(section["name"])
    elif hasattr(module, "published_name"):
        found = torchvision_weights(module.published_name(**section))
    return found


def _of_torchvision(member: Any) -> Preprocessing:
    steps = member.transforms()
    # torchvision's GoogLeNet turns ImageNet's normalisation into this one inside the network; ours is given it.
    halves = (0.5, 0.5, 0.5) if type(member).__name__ == "GoogLeNet_Weights" else None
    return Preprocessing(
        mean=halves or tuple(steps.mean),
        std=halves or tuple(steps.std),
        image_size=steps.crop_size[0],
        crop=steps.crop_size[0] / steps.resize_size[0],
        interpolation=steps.interpolation.value,
    )


def _of_timm(config: Any) -> Preprocessing:
    return Preprocessing(
        mean=tuple(config.mean),
        std=tuple(config.std),
        image_size=config.input_size[-1],
        crop=config.crop_pct,
        interpolation=config.interpolation,
    )


def _of_run(weights: Path) -> Preprocessing | None:
    """Return what a run wrote of its data, found from its weights or its checkpoints."""
    folders = (weights.parent, weights.parent.parent)
    file = next((folder / "data.json" for folder in folders if (folder / "data.json").is_file()), None)
    values = json.loads(file.read_text()) if file else None
    if not isinstance(values, dict) or not {"mean", "std", "image_size", "eval_crop"} <= values.keys():
        return None
    return Preprocessing(
        mean=tuple(values["mean"]),
        std=tuple(values["std"]),
        image_size=values["image_size"],
        crop=values["eval_crop"],
        interpolation=None,
    )
