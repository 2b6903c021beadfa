"""Networks built as a run builds them: the keys of conf/network/*.yaml are the arguments."""

from __future__ import annotations

from pathlib import Path
from pydoc import locate
from typing import Any

import yaml
from torch import nn

CONF = Path(__file__).parents[2] / "conf" / "network"

SMALL_FAMILIES: dict[str, dict[str, Any]] = {
    "lenet": {},
    "conv4": {"widths": [8, 8, 8, 8]},
    "alexnet": {},
    "vgg19": {"depth": 11},
    "googlenet": {},
    "googlenet_bn": {},
    "zfnet": {},
    "nin": {},
    "bn_inception": {},
    "resnet": {},
    "squeezenet": {"version": 1.1},
    "efficientnet": {},
    "mobilenet": {"variant": "v3_small"},
    "convnext": {},
    "timm": {},
}
"""Every family, in a small variant."""

LIGHT_FAMILIES = {name: changes for name, changes in SMALL_FAMILIES.items() if name not in ("vgg19", "zfnet")}
"""Those that take no second to build."""


def section(family: str, /, **changes: Any) -> dict[str, Any]:
    """Return conf/network/FAMILY.yaml with `changes`; an unknown key is a mistake of the test."""
    values = _composed(family)
    forwarded = {"pooling"}  # of families without windows, whose files leave it away
    assert changes.keys() <= values.keys() | forwarded
    return {**values, **changes}


def _composed(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    for base in filter(lambda one: isinstance(one, str), values.pop("defaults", ())):
        values = {**_composed(base), **values}
    return values


def build(
    family: str, /, *, num_classes: int = 10, in_channels: int = 3, image_size: int = 64, **changes: Any
) -> nn.Module:
    """Return the network of conf/network/FAMILY.yaml with `changes`."""
    arguments = section(family, **changes)
    factory: Any = locate(arguments.pop("_target_"))
    network: nn.Module = factory(**arguments, num_classes=num_classes, in_channels=in_channels, image_size=image_size)
    return network


def parameters(network: nn.Module) -> int:
    """Return the number of learned numbers."""
    return sum(parameter.numel() for parameter in network.parameters())
