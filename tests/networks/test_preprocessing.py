from __future__ import annotations

import json

import pytest

from src.errors import UserError
from src.networks.preprocessing import Preprocessing, preprocessing
from tests.networks.building import SMALL_FAMILIES, section

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
HALVES = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


@pytest.mark.parametrize("name", SMALL_FAMILIES)
def test_a_new_network_expects_nothing(name):
    assert preprocessing(section(name)) is None


@pytest.mark.parametrize(  # torchvision's documentation of its published weights
    ("name", "changes", "expected"),
    [
        ("resnet", {}, Preprocessing(**IMAGENET, image_size=224, crop=224 / 256, interpolation="bilinear")),
        ("vgg19", {}, Preprocessing(**IMAGENET, image_size=224, crop=224 / 256, interpolation="bilinear")),
        ("efficientnet", {}, Preprocessing(**IMAGENET, image_size=224, crop=224 / 256, interpolation="bicubic")),
        (
            "efficientnet",
            {"variant": "v2_l"},
            Preprocessing(**HALVES, image_size=480, crop=1.0, interpolation="bicubic"),
        ),
        ("convnext", {}, Preprocessing(**IMAGENET, image_size=224, crop=224 / 236, interpolation="bilinear")),
        ("googlenet_bn", {}, Preprocessing(**HALVES, image_size=224, crop=224 / 256, interpolation="bilinear")),
    ],
)
def test_published_weights_bring_their_own(name, changes, expected):
    assert preprocessing(section(name, weights="IMAGENET1K_V1", **changes)) == expected


def test_timms_weights_bring_their_own():
    expected = Preprocessing(**IMAGENET, image_size=224, crop=0.95, interpolation="bicubic")
    for name, weights in (("resnet50", "a1_in1k"), ("resnet50.a1_in1k", "pretrained")):
        assert preprocessing(section("timm", name=name, weights=weights)) == expected


@pytest.mark.parametrize("inside", ["", "weights.safetensors", "checkpoints/last.ckpt"])
@pytest.mark.parametrize("name", ["lenet", "resnet", "timm"])
def test_a_runs_weights_bring_what_it_trained_with(name, inside, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    (tmp_path / "weights.safetensors").touch()
    values = {"mean": [0.1], "std": [0.2], "image_size": 28, "eval_crop": 1.0, "classes": ["a"]}
    (tmp_path / "data.json").write_text(json.dumps(values))
    expected = Preprocessing(mean=(0.1,), std=(0.2,), image_size=28, crop=1.0, interpolation=None)
    assert preprocessing(section(name, weights=str(tmp_path / inside))) == expected


def test_other_files_and_urls_say_nothing(tmp_path):
    (tmp_path / "w.pt").touch()
    (tmp_path / "data.json").write_text('{"someone": "else"}')
    for weights in (str(tmp_path / "w.pt"), "https://example.org/w.pt"):
        assert preprocessing(section("resnet", weights=weights)) is None


@pytest.mark.parametrize("name", ["lenet", "resnet", "timm"])
def test_weights_that_do_not_exist_are_refused_before_data_are_fetched(name):
    with pytest.raises(UserError, match=r"network\.weights=IMAGENET1K_V9 is no file"):
        preprocessing(section(name, weights="IMAGENET1K_V9"))
