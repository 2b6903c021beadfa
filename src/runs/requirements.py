"""What a training needs of its data, model and configuration, told before its first step."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback, EarlyStopping
from torch import nn

from src.config import figures
from src.config.problems import nearest
from src.data.module import ImageData
from src.errors import UserError
from src.models.base import ImageModule

log = logging.getLogger(__name__)

Config = Mapping[str, Any]

NORMALIZATION = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def require_all(
    model: ImageModule, data: ImageData, callbacks: Sequence[Callback], trainer: Trainer, config: Config
) -> None:
    """Raise UserError where a training could not come to its end, or would wait for what never comes."""
    require_shares({name: len(indices) for name, indices in data.splits.items()}, trainer.world_size)
    require_figures(model, config)
    require_validation(model, data, callbacks, config)
    if model.training_batches(config["model"]) is None:
        require_several_values(model, data, trainer.world_size)


def require_figures(model: ImageModule, config: Config) -> None:
    """Raise UserError where something goes by a figure of validation that the data do not allow, such as top-5 of 3."""
    names = [f"val/{name}" for name in model.metric_names()]
    if figures.Figures.of(config).names() is None:  # somebody's own may measure more
        return
    for rule in figures.rules(config):
        if rule.figure.startswith("val/") and rule.figure not in names:
            near = nearest(rule.figure, names)
            hint = f"; did you mean {near}?" if near else ""
            raise UserError(f"{rule.key}={rule.figure}: no such metric of these data{hint} ({', '.join(names)})")


def require_validation(model: ImageModule, data: ImageData, callbacks: Sequence[Callback], config: Config) -> None:
    """Raise UserError where something waits for a figure of validation, and nothing is ever validated."""
    waiting = [
        f"{type(callback).__name__} needs {callback.monitor}"
        for callback in callbacks
        if isinstance(callback, EarlyStopping) and callback.monitor.startswith("val/")
    ]
    if config["scheduler"]["_target_"].endswith(("plateau", "ReduceLROnPlateau")):
        waiting.append(f"scheduler=plateau needs {model.monitor}")
    if model.needs_validation:
        waiting.append(f"the threshold of a {type(model).__name__} needs pairs")
    if (config.get("search") or {}).get("sampler"):
        metrics, _ = figures.objectives(config)
        waiting += [f"the search needs {metric}" for metric in metrics if metric.startswith("val/")]
    trainer = config["trainer"]
    epochs, every = trainer.get("max_epochs"), trainer.get("check_val_every_n_epoch")
    too_rarely = bool(epochs and every) and 0 < epochs < every
    never = not len(data.splits["val"]) or trainer.get("limit_val_batches") == 0 or too_rarely
    if waiting and never:
        raise UserError(
            f"{' and '.join(waiting)}, but nothing is validated: data.val_fraction or trainer.limit_val_batches is 0, "
            "or trainer.check_val_every_n_epoch more than trainer.max_epochs"
        )


def require_shares(samples: Mapping[str, int], processes: int) -> None:
    """Raise UserError where a split has too few samples for each process to have one: the others would wait for it."""
    for split, count in samples.items():
        if 0 < count < processes:
            raise UserError(
                f"trainer.devices: {split} has {count} sample{'s' * (count > 1)} for {processes} processes, of which "
                f"each needs one; type trainer.devices={count} or less"
            )


def require_several_values(model: ImageModule, data: ImageData, processes: int) -> None:
    """Raise UserError where a batch normalisation that learns would see one value per channel: one image, map of 1x1.

    An incomplete batch is left out of an epoch, so batches of one are asked for, or all that there is.
    """
    images = len(data.splits["train"])
    if min(data.batch_size, images // processes) > 1:
        return
    if (name := first_of_one_value(model)) is None:
        return
    each = f" for each of {processes} processes" if processes > 1 else ""
    cause, mend = f"data.batch_size={data.batch_size}", "type data.batch_size=2 or more"
    if images // processes <= 1:
        cause, mend = f"{images} training image{'s' * (images > 1)}{each}", "train on more images"
    raise UserError(
        f"{cause}: the batch normalisation {name} sees a map of 1x1, and of one image that is one value per channel, "
        f"which has no deviation; {mend}, larger images (data.image_size), or network.normalization=group"
    )


@torch.no_grad()
def first_of_one_value(model: ImageModule) -> str | None:
    """Return the name of the first batch normalisation that would learn from one value of one image; None: none."""
    found: list[str] = []
    handles = []
    for name, layer in model.network.named_modules():
        if isinstance(layer, NORMALIZATION) and layer.track_running_stats and model.freezing.learns(f"{name}.weight"):

            def note(_: nn.Module, inputs: tuple[torch.Tensor, ...], name: str = name) -> None:
                if inputs[0].numel() == inputs[0].shape[1]:
                    found.append(name)

            handles.append(layer.register_forward_pre_hook(note))
    training = model.network.training
    try:
        model.network.eval()
        image = torch.zeros(1, model.spec.channels, model.spec.image_size, model.spec.image_size)
        model.network(model.as_network_takes_them(image))
    finally:
        model.network.train(training)
        for handle in handles:
            handle.remove()
    return found[0] if found else None
