"""Networks without a run, as a person types them: weights of torchvision in a file, at an address, by their name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torchvision.models import SqueezeNet1_1_Weights, squeezenet1_1

from src.config.command import compose
from src.explanations.command import explain
from tests.networks.test_download import server as server

SQUARE = 256
"""Pixels of the image: the central 224 of 256 are what networks of torchvision see, without any scaling."""


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (SQUARE, SQUARE, 3), dtype=np.uint8))
    return path


def expected(network: torch.nn.Module, photo: Path, label: int) -> float:
    """The probability by torchvision's own network, on the image as its documentation says."""
    pixels = torch.from_numpy(cv2.cvtColor(cv2.imread(str(photo)), cv2.COLOR_BGR2RGB)).permute(2, 0, 1) / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    seen = ((pixels - mean[:, None, None]) / std[:, None, None])[None, :, 16:240, 16:240]
    with torch.no_grad():
        return float(network.eval()(seen).softmax(-1)[0, label])


def answer(tmp_path: Path, *typed: str) -> dict:
    _, folder = explain(compose("explain", [*typed, f"output={tmp_path}/explain"]))
    assert list(folder.glob("*.png"))
    return json.loads((folder / "explanation.json").read_text())["numbers"]["images"][0]


def test_a_file_of_torchvisions_weights_answers_as_torchvision(tmp_path, photo):
    torch.manual_seed(0)
    network = squeezenet1_1(num_classes=7)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    typed = ("model=squeezenet", "network.version=1.1", f"network.weights={tmp_path}/mine.pth")
    found = answer(tmp_path, *typed, "method=saliency", f"input={photo}", "method.label=3")
    assert found["answer"] == "probability of 3"
    assert found["value"] == pytest.approx(expected(network, photo, 3), rel=1e-4)


def test_weights_at_an_address_too(server, tmp_path, photo):
    torch.manual_seed(1)
    network = squeezenet1_1(num_classes=7)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    server.files["mine.pth"] = (tmp_path / "mine.pth").read_bytes()
    typed = ("model=squeezenet", "network.version=1.1", f"network.weights={server.url('mine.pth')}")
    found = answer(tmp_path, *typed, "method=gradcam", f"input={photo}", "method.label=2")
    assert found["value"] == pytest.approx(expected(network, photo, 2), rel=1e-4)


def test_published_weights_are_fetched_and_name_their_classes(server, tmp_path, photo, monkeypatch):
    torch.manual_seed(2)
    network = squeezenet1_1()
    with torch.no_grad():
        network.classifier[1].bias[0] += 5  # so that the random network is sure of a tench
    torch.save(network.state_dict(), tmp_path / "w.pth")
    content = (tmp_path / "w.pth").read_bytes()
    name = f"squeezenet-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    server.files[name] = content
    monkeypatch.setattr(SqueezeNet1_1_Weights.IMAGENET1K_V1.value, "url", server.url(name))
    typed = ("model=squeezenet", "network.version=1.1", "network.weights=IMAGENET1K_V1")
    found = answer(tmp_path, *typed, "method=saliency", f"input={photo}")
    assert found["answer"] == "probability of tench"
    assert found["value"] == pytest.approx(expected(network, photo, 0), rel=1e-4)
