"""What is explained: a network with learned weights, of a run or without one, and how images are put before it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from src.config.build import build_alone
from src.data.crop import EvalCrop
from src.data.normalize import fixed_statistics, normalize
from src.data.value_range import Span
from src.data.working import WorkingSize
from src.errors import UserError
from src.models.base import ImageModule
from src.networks.features import module_outputs
from src.networks.head import head_name, main_and_auxiliary
from src.networks.preprocessing import Preprocessing, preprocessing, published_weights
from src.networks.trace import Trace, trace
from src.networks.weights_file import is_url, local_file, read_state, weights_file

log = logging.getLogger(__name__)

IMAGE_SIZE = 224
"""Pixels of the input where neither the user nor the weights say it."""


@dataclass(frozen=True)
class Subject:
    """A network in evaluation, and what it was trained on; `model` is its learning problem where it comes from a run.

    `mean` and `std` have a value per channel, in units of [0, 1] images; `image_size` is the side in pixels of the
    square that the network sees. Weights stay as they are: nothing here learns.
    """

    network: nn.Module
    model: ImageModule | None
    classes: tuple[str, ...]
    channels: int
    image_size: int
    eval_crop: EvalCrop
    mean: tuple[float, ...]
    std: tuple[float, ...]
    device: torch.device
    working: WorkingSize | None = None
    """What images are brought to first, where a run does so."""
    span: Span | None = None
    """The values of images of more than 8 bits that are black and white to it."""

    def __post_init__(self) -> None:
        whole = self.network if self.model is None else self.model
        whole.to(self.device).eval().requires_grad_(False)
        for module in self.network.modules():
            if getattr(module, "inplace", False):  # else a layer's output is gone before it can be looked at
                setattr(module, "inplace", False)  # noqa: B010 - a module's attributes are declared as tensors

    @property
    def name(self) -> str:
        """Return what the network is called."""
        return type(self.network).__name__

    @cached_property
    def trace(self) -> Trace:
        """The receptive fields, among others."""
        return trace(self.network, self.channels, self.image_size, self.image_size)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """What each module that returns a tensor returns, without the batch, in the order in which they end.

        A module that is applied several times, as the activation of a residual block, stands for its last time.
        """
        found: dict[str, tuple[int, ...]] = {}
        for name, shape in self._outputs:
            found.pop(name, None)
            found[name] = shape
        return found

    @cached_property
    def times(self) -> Counter[str]:
        """How often an image passes each module."""
        return Counter(name for name, _ in self._outputs)

    @cached_property
    def _outputs(self) -> list[tuple[str, tuple[int, ...]]]:
        outputs = module_outputs(self.network, self.channels, self.image_size)
        return [(name, shape) for name, shape in outputs if name]

    def normalized(self, images: Tensor) -> Tensor:
        """Return uint8 images (B, C, H, W) as the network takes them, on its device."""
        return normalize(images.to(self.device), self.mean, self.std)

    def logits(self, images: Tensor) -> Tensor:
        """Return what the bare network makes of normalised images: class scores (B, K), or an embedding."""
        return main_and_auxiliary(self.run_network(images))[0].float()

    def run_network(self, images: Tensor) -> Any:
        """Apply the bare network to normalised images (B, C, H, W)."""
        return self.network(images if self.model is None else self.model.as_network_takes_them(images))

    def predicted(self, images: Tensor) -> dict[str, Tensor]:
        """Return what the model says of normalised images, by name, with the samples first."""
        if self.model is not None:
            return self.model.predicted(images)
        return {"probabilities": self.logits(images).softmax(-1)}


def subject_of_run(model: ImageModule, device: torch.device) -> Subject:
    """Return the restored model of a run."""
    spec = model.spec
    return Subject(
        network=model.network,
        model=model,
        classes=spec.classes,
        channels=spec.channels,
        image_size=spec.image_size,
        eval_crop=spec.eval_crop,
        mean=spec.mean,
        std=spec.std,
        device=device,
        working=spec.working,
        span=spec.span,
    )


def subject_of_weights(
    section: Mapping[str, Any],
    *,
    image_size: int | str,
    in_channels: int,
    num_classes: int | str,
    device: torch.device,
    untrained: bool = False,
) -> Subject:
    """Return a network of a configuration's `network` section with the weights that it names.

    Where `untrained`, it may have none: only its layers are asked for. Raises UserError for weights that are missing,
    have another number of outputs than `num_classes`, or expect other normalisation than images of `in_channels` have.
    """
    weights = section.get("weights")
    if weights is None and not untrained:
        raise UserError(
            "explain what? Type run=RUN_DIR; or, without a run, network.weights=: published ones, a file or a URL. "
            "A network that has learned nothing looks at nothing"
        )
    known = preprocessing(section) or Preprocessing((), (), IMAGE_SIZE, 0.875, None)
    size = known.image_size if image_size == "auto" else int(image_size)
    names, outputs = _outputs(section, in_channels, size)
    if num_classes != "auto" and weights is not None and int(num_classes) != outputs:
        raise UserError(f"num_classes={num_classes}: network.weights={weights} have {outputs} outputs; leave it out")
    count = outputs if num_classes == "auto" else int(num_classes)
    statistics = (known.mean, known.std) if len(known.mean) == in_channels else None
    if statistics is None:
        statistics = fixed_statistics("imagenet" if in_channels == 3 else "none", in_channels)
        assert statistics is not None
        if weights is not None:
            log.warning("network.weights=%s do not say how images were normalised: mean %s", weights, statistics[0])
    return Subject(
        network=build_alone(section, num_classes=count, in_channels=in_channels, image_size=size),
        model=None,
        classes=names if len(names) == count else tuple(map(str, range(count))),
        channels=in_channels,
        image_size=size,
        eval_crop=known.crop,
        mean=statistics[0],
        std=statistics[1],
        device=device,
    )


def _outputs(section: Mapping[str, Any], in_channels: int, image_size: int) -> tuple[tuple[str, ...], int]:
    """Return the names of the classes that weights were learned on, where they are published, and their number."""
    weights = section.get("weights")
    if weights is None:
        return (), 1000
    published = published_weights(section)
    if weights in published:
        member = published[weights]
        meta = getattr(member, "meta", None)
        names = tuple(meta["categories"]) if meta else ()
        return names, len(names) or int(member.num_classes)
    state = read_state(weights_file(weights, {}) if is_url(weights) else local_file(weights, published))
    with torch.device("meta"):
        bare = build_alone({**section, "weights": None}, num_classes=2, in_channels=in_channels, image_size=image_size)
    head = f"{head_name(bare)}.weight"
    if head not in state:
        raise UserError(f"network.weights={weights} have no output layer {head}: they belong to another network")
    return (), int(state[head].shape[0])
