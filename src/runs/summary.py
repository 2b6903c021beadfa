"""The layer table of the network that a configuration, or a saved run, describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from src.config import saved
from src.config.build import build_alone
from src.config.command import Composed
from src.errors import UserError
from src.networks.trace import trace
from src.report.layer_table import layer_table


@dataclass(frozen=True)
class _Asked:
    """A network's configuration, and what it is built for."""

    section: Mapping[str, Any]
    outputs: int
    channels: int
    image_size: int


def summarize(composed: Composed) -> str:
    """Return the table in the form that was asked for.

    Raises UserError where the network cannot take images of that size, and for overrides that need `run=`.
    """
    asked = _of_run(composed) if composed.config.run else _of_configuration(composed)
    section = {key: None if key == "weights" else value for key, value in asked.section.items()}
    with torch.device("meta"):  # no memory and no time for weights, however many there are
        network = build_alone(
            section, num_classes=asked.outputs, in_channels=asked.channels, image_size=asked.image_size
        )
    found = trace(network, asked.channels, asked.image_size, asked.image_size)
    return layer_table(found, type(network).__name__, (asked.channels, asked.image_size), composed.config.format)


def _of_configuration(composed: Composed) -> _Asked:
    if composed.for_the_run:
        raise UserError(
            f"{composed.for_the_run[0]}: a summary takes model=, network= and its own keys (--help shows them); other "
            "overrides apply to a saved run, so type run=RUN_DIR"
        )
    config = saved.plain(composed.config)
    return _Asked(config["network"], config["num_classes"], config["in_channels"], config["image_size"])


def _of_run(composed: Composed) -> _Asked:
    """Return what a run's network was built for; the data's sizes are in the run directory."""
    from src.data.spec import DataSpec  # all that a run is made of takes seconds to import
    from src.runs import session
    from src.runs.training import model_class

    run, config = session.reopen(composed.config.run, composed.for_the_run)
    spec = DataSpec.load(run.data)
    outputs = model_class(config).network_outputs(spec, config["model"])
    return _Asked(config["network"], outputs, spec.channels, spec.image_size)
