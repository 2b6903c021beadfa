"""Images of one channel, or of more than three, are explained and shown like all others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from src.explanations.activations import Activations
from src.explanations.deconvnet import Deconvnet
from src.explanations.filters import Filters
from src.explanations.given import Given
from src.explanations.gradcam import GradCam
from src.explanations.occlusion import Occlusion
from src.explanations.output import Output
from src.explanations.saliency import Saliency
from src.explanations.sobel import Sobel
from tests.explanations.small import MadeUp, subject

CLASS = {"what": "class", "label": 1, "layer": None, "limit": 1}
COVER = {"channel": None, "patch": "auto", "stride": "auto", "fill": 127.0}
METHODS = {
    "sobel": Sobel(limit=1),
    "filters": Filters(layer=["0", "3"], limit=3),
    "activations": Activations(layer="1", channels=None, number=3, limit=1),
    "deconvnet": Deconvnet(layer="4", channels=None, number=2, best=4),
    "occlusion": Occlusion(**CLASS, **COVER, box=None),
    "covered box": Occlusion(**(CLASS | {"layer": "1"}), **COVER, box=[2.0, 3.0, 9.0, 9.0]),
    "gradcam": GradCam(**CLASS),
    "saliency": Saliency(**CLASS, channel=None),
}


class OfChannels(MadeUp):
    def __init__(self, channels: int) -> None:
        super().__init__(6, 16)
        self.pixels = np.random.default_rng(1).integers(0, 256, (6, 16, 16, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("method", METHODS)
def test_any_number_of_channels(method: str, channels: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 64, 2)),
    )
    output = Output(tmp_path, method)
    METHODS[method].explain(Given(output, subject(network, 16, channels), OfChannels(channels), None, 4, 0))
    output.finish()
    written = json.loads((tmp_path / "explanation.json").read_text())
    assert written["pictures"]
    assert sorted(written["files"]) == sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".json")
    Output(tmp_path, method).finish()  # an explanation without pictures in its place
    assert [path.name for path in tmp_path.iterdir()] == ["explanation.json"]
