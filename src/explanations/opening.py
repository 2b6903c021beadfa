"""From what was typed to a network and images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from src.config import saved
from src.cores import cores
from src.data.spec import DataSpec
from src.errors import UserError
from src.explanations.answers import compares
from src.explanations.command import require_right_anchor
from src.explanations.given import Given
from src.explanations.images import Files, Images, Item, Split
from src.explanations.output import Output
from src.explanations.subject import IMAGE_SIZE, Subject, subject_of_run, subject_of_weights
from src.report.naming import network_words, title
from src.runs import session
from src.runs.directory import RunDirectory
from src.runs.evaluation import restore, restore_model
from src.runs.measured_weights import state_digest
from src.runs.prediction import chosen_device, image_files, single_image


@dataclass(frozen=True)
class Opened:
    """What a method is given; `run` and its configuration, where it is of one."""

    given: Given
    run: RunDirectory | None
    config: Mapping[str, Any]


def opened(
    asked: Mapping[str, Any],
    for_the_run: Sequence[str],
    output: Output,
    *,
    needs_images: bool,
    needs_network: bool,
    untrained: bool,
) -> Opened:
    """Return the network and the images that were asked for.

    Raises UserError where a run, weights or images are missing, or do not fit each other.
    """
    run: RunDirectory | None = None
    config: dict[str, Any] = {}
    images: Images | None = None
    subject: Subject | None = None
    if asked["run"]:
        run, config = session.reopen(asked["run"], for_the_run)
        device = chosen_device(asked["device"])
        if asked["split"] is not None:
            model, data, spec = restore(config, run, asked["checkpoint"])
            output.data_digest = spec.digest
            if not len(data.splits[asked["split"]]):
                raise UserError(f"split={asked['split']} is empty here")
            images = Split(data, asked["split"])
        else:
            model = restore_model(config, run, DataSpec.load(run.data), asked["checkpoint"])
        subject = subject_of_run(model, device)
        choices = saved.load(run.compose).choices
        output.subject = (
            f"{title({**config, 'choices': choices})}, its {asked['checkpoint']} weights {state_digest(model)}"
        )
    else:
        session.prepare_process(cores())
    if run is None and needs_network:
        sizes = {key: asked[key] for key in ("image_size", "in_channels", "num_classes")}
        subject = subject_of_weights(
            asked["network"], **sizes, device=chosen_device(asked["device"]), untrained=untrained
        )
        output.subject = f"{network_words(asked)}, weights {PurePath(str(asked['network'].get('weights'))).name}"
    if needs_images and images is None:
        images = _files(image_files("input", asked["input"]), subject)
    anchor = _anchor(asked, subject) if needs_images and needs_network and subject is not None else None
    given = Given(output, subject if needs_network else None, images, anchor, asked["batch_size"], asked["num_workers"])
    return Opened(given, run, config)


def _files(files: Sequence[Path], subject: Subject | None) -> Files:
    if subject is None:
        return Files(files, 3, IMAGE_SIZE, "whole")
    return Files(files, subject.channels, subject.image_size, subject.eval_crop, subject.working, subject.span)


def _anchor(asked: Mapping[str, Any], subject: Subject) -> Item | None:
    """Return the image that others are compared with. Raises UserError where there must be one, or must not."""
    require_right_anchor(asked, model_compares=compares(subject))
    if asked["anchor"] is None:
        return None
    return _files([single_image("anchor", asked["anchor"])], subject).item(0)
