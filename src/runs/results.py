"""What a finished training leaves for people and other programs: the weights alone, and the report."""

from __future__ import annotations

import safetensors.torch

from src.data.module import ImageData
from src.files import atomic
from src.models.base import ImageModule
from src.report.page import write_run_report
from src.runs.directory import RunDirectory


def write_weights(run: RunDirectory, model: ImageModule) -> None:
    """Write the network's weights, named as the bare network names them, to `weights.safetensors`."""
    state = {key: value.detach().cpu().contiguous() for key, value in model.network.state_dict().items()}
    with atomic(run.weights) as file:
        file.write(safetensors.torch.save(state, metadata={"format": "pt"}))


def write_report(run: RunDirectory, model: ImageModule, data: ImageData, split: str | None) -> None:
    """Write `report.html`, with the learning problem's own pictures of the split that was evaluated last."""
    sections = model.report_sections(data, split) if split is not None and model.outputs else []
    write_run_report(run.path, sections)
