"""What a finished training leaves for people and other programs: the weights alone, and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import safetensors.torch
from torch import Tensor

from src.answers import answers_path, write_answers
from src.data.module import ImageData
from src.files import atomic
from src.models.base import ImageModule
from src.networks.weights_file import parts_beside_the_network
from src.runs.directory import RunDirectory

if TYPE_CHECKING:
    from src.report.layout import Section


def write_weights(run: RunDirectory, model: ImageModule) -> None:
    """Write the weights to `weights.safetensors`: the network's as the bare network names them, then the other parts.

    The names of those parts, modules and buffers beside the network, are in the file's metadata under `parts`: alone,
    since the format writes several entries in any order, and equal weights would not be equal bytes.
    """
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    parts = sorted({key.partition(".")[0] for key in state} - {"network"})
    bare = {key.removeprefix("network."): value for key, value in state.items()}
    with atomic(run.weights) as file:
        file.write(safetensors.torch.save(bare, metadata={"parts": ",".join(parts)}))


def read_weights(run: RunDirectory) -> dict[str, Tensor]:
    """Return the weights of `weights.safetensors` by their names in the model."""
    state = safetensors.torch.load_file(run.weights)
    parts = parts_beside_the_network(run.weights)
    return {key if key.partition(".")[0] in parts else f"network.{key}": value for key, value in state.items()}


def write_report(run: RunDirectory, model: ImageModule, data: ImageData, split: str | None) -> None:
    """Write the answers on the split that was evaluated last, and `report.html`, which shows them."""
    from src.report.answered import answer_sections
    from src.report.page import write_run_report
    from src.report.transfer import learning_section

    answers = model.answers(data, split) if split is not None and model.outputs else None
    sections = model.report_sections()
    if answers is not None and split is not None:
        write_answers(answers_path(run.path, split), answers)
        sections += answer_sections(answers, split)
    if not model.learns_alike:
        stages = [(stage.name, stage.parameters, stage.learns_from, share) for stage, share in model.stages()]
        sections.append(learning_section(stages))
    sections.append(data_section_of(data))
    write_run_report(run.path, sections)


def data_section_of(data: ImageData) -> Section:
    """Return the section that says what the splits hold."""
    from src.report.data import data_section, identities_section

    sizes = {name: len(indices) for name, indices in data.splits.items()}
    if data.by_identity:
        known = data.source.identities()
        return identities_section(sizes, {name: len(np.unique(known[split])) for name, split in data.splits.items()})
    counts = {name: data.source.class_counts(indices).tolist() for name, indices in data.splits.items()}
    return data_section(sizes, data.source.classes, counts, several=data.source.multilabel)
