"""Maps of class scores over images of any size, as `predict map=true` writes them."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from src.data.normalize import normalize
from src.data.spec import DataSpec
from src.errors import UserError
from src.models.classifier import Classifier
from src.runs import session
from src.runs.class_maps import PIXELS, Mapper, TooLarge, map_classes, require_classifier
from src.runs.evaluation import restore_model
from src.runs.prediction import predict
from tests.networks.building import build
from tests.training import train


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("maps") / "run", "trainer.max_epochs=1")


def classifier(path: Path) -> Classifier:
    run, config = session.reopen(str(path), ())
    model = restore_model(config, run, DataSpec.load(run.data), "best")
    assert isinstance(model, Classifier)
    return model


def mapped(path: Path, source: Path, output: Path, **changed: object) -> tuple[list[dict[str, object]], Path]:
    run, config = session.reopen(str(path), ())
    asked = {"size": "auto", "pictures": "auto", "anchor": None, "gallery": None, "checkpoint": "best"} | changed
    return map_classes(config, run, source=str(source), output=str(output), device="cpu", **asked)  # type: ignore[arg-type, return-value]


def test_each_place_is_what_the_network_says_of_that_window(finished: Path, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (44, 52, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "large.png"), image[..., ::-1])
    rows, path = mapped(finished, tmp_path / "large.png", tmp_path / "out.csv")
    kept = np.load(tmp_path / "out-maps" / "0-large.npz")
    assert kept["logits"].shape == (8, 4, 6)  # windows of 32 px, four apart
    assert (int(kept["side"]), int(kept["stride"]), float(kept["begin"])) == (32, 4, 0)
    model = classifier(finished)
    window = torch.from_numpy(image[8:40, 16:48]).permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = model.predicted(normalize(window, model.spec.mean, model.spec.std))["probabilities"][0]
    np.testing.assert_allclose(kept["probabilities"][:, 2, 4], expected, atol=1e-5)
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert (row["map"], rows[0]["class"]) == ("4x6", row["class"])
    means = kept["probabilities"].mean((1, 2))
    assert [float(row[f"p({name})"]) for name in kept["classes"]] == pytest.approx(means.tolist(), abs=1e-5)
    with Image.open(tmp_path / "out-maps" / "0-large.png") as picture:
        assert min(picture.size) > 200


def test_windows_lie_where_the_gradient_says(finished: Path) -> None:
    """ResNet-18 at 64 px averages 2x2 features whose middles are the pixels 0 and 32: its place looks at 16.

    Worked out on the gradient of average pooling and positive weights, which is symmetrical about a window's middle.
    """
    model = classifier(finished)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model.network = build("resnet", depth=10, layers=[1, 1, 1, 1], image_size=64, num_classes=8).eval()
    model.spec = replace(model.spec, image_size=64, channels=3)
    mapper = Mapper(model, "auto")
    assert mapper.begin + 64 / 2 == pytest.approx(16.5)  # the middle of pixel 16
    for module in list(model.network.modules()):
        for name, child in module.named_children():
            if isinstance(child, torch.nn.ReLU | torch.nn.BatchNorm2d):
                setattr(module, name, torch.nn.Identity())
            elif isinstance(child, torch.nn.MaxPool2d):
                setattr(module, name, torch.nn.AvgPool2d(3, 2, 1))
            elif isinstance(child, torch.nn.Conv2d | torch.nn.Linear):
                torch.nn.init.ones_(child.weight)
    image = torch.zeros(1, 3, 64, 1024, dtype=torch.float64, requires_grad=True)
    logits = Mapper(model, "auto").network.double()(image)
    (slope,) = torch.autograd.grad(logits[0, 0, 0, 15], image)
    weight = slope[0, 0].sum(0)
    middle = (weight * (torch.arange(1024) + 0.5)).sum() / weight.sum()
    assert float(middle) == pytest.approx(mapper.begin + 15 * 32 + 64 / 2, abs=0.01)


def test_at_the_training_size_it_is_the_prediction(finished: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "small.png"), np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8))
    rows, _ = mapped(finished, tmp_path / "small.png", tmp_path / "map.json", pictures=None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.json", "small.png"]
    run, config = session.reopen(str(finished), ())
    usual, _ = predict(
        config, run, source=str(tmp_path), output=str(tmp_path / "usual.csv"), pictures=None, anchor=None,
        gallery=None, checkpoint="best", batch_size=1, num_workers=0, device="cpu",
    )  # fmt: skip
    assert rows[0].pop("map") == "1x1"
    assert rows[0].keys() == usual[0].keys()
    for key, value in usual[0].items():
        assert rows[0][key] == (pytest.approx(value, abs=1e-5) if isinstance(value, float) else value)


def test_sizes_are_bounded_and_never_below_the_trainings(finished: Path) -> None:
    model = classifier(finished)
    assert Mapper(model, "auto").extent(100, 200) == (100, 200)
    assert Mapper(model, "auto").extent(16, 20) == (32, 40)
    height, width = Mapper(model, "auto").extent(3000, 4000)
    assert height * width == pytest.approx(PIXELS, rel=0.01)
    assert Mapper(model, 64).extent(100, 200) == (64, 128)
    with pytest.raises(TooLarge, match=r"has 10x50000 pixels, which a shorter side of 32 px makes 32x160000;.*cut it"):
        Mapper(model, "auto").extent(10, 50000)
    with pytest.raises(TooLarge, match="makes 1024x10240"):
        Mapper(model, 1024).extent(500, 5000)
    with pytest.raises(UserError, match="size=20: the network was trained on 32 px"):
        Mapper(model, 20)


def test_what_has_no_map_is_refused(finished: Path, tmp_path: Path) -> None:
    run, config = session.reopen(str(finished), ())
    other = config | {"model": config["model"] | {"_target_": "src.models.localizer.Localizer"}}
    with pytest.raises(UserError, match="is a Localizer, and a map of class scores needs a classifier"):
        require_classifier(other, run)
    with pytest.raises(UserError, match="compares no images"):
        mapped(finished, tmp_path, tmp_path / "out.csv", anchor="a.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UserError, match="none of 1 files can be read"):
        mapped(finished, tmp_path / "broken.png", tmp_path / "out.csv")
