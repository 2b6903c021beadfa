from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
import requests
import timm
import torch
from safetensors.torch import save_file

from src import download
from src.errors import UserError
from src.networks.timm import published_configs
from tests.networks.building import build, parameters


def test_a_network_of_timm_is_timms():
    assert parameters(build("timm", name="resnet10t", num_classes=1000)) == parameters(timm.create_model("resnet10t"))


def test_timm_is_not_imported_before_it_is_used():
    code = "import sys, src.networks.timm; sys.exit('timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("name", "near"), [("resnt50", "resnet50"), ("resnet50.a9_in1k", "a1_in1k")])
def test_an_unknown_name_says_the_nearest(name, near):
    with pytest.raises(UserError) as error:
        build("timm", name=name)
    assert f"network.name={name}" in str(error.value)
    assert near in str(error.value)


def test_options_reach_the_network():
    network = build("timm", name="resnet10t", options={"drop_rate": 0.25})
    assert network.drop_rate == 0.25


@pytest.mark.parametrize(("key", "message"), [("num_classes", "the data decide it"), ("nonsense", "nonsense")])
def test_options_that_cannot_be_are_named(key, message):
    with pytest.raises(UserError, match=message):
        build("timm", name="resnet10t", options={key: 3})


def test_a_network_made_for_one_size_is_built_for_the_images():
    assert build("timm", name="vit_tiny_patch16_224", image_size=64)(torch.rand(2, 3, 64, 64)).shape == (2, 10)
    with pytest.raises(UserError, match=r"cannot take images of data\.image_size=12 px"):
        build("timm", name="vit_tiny_patch16_224", image_size=12)


@pytest.mark.parametrize("kind", ["none", "group", "group_chapter"])
def test_another_normalisation_keeps_the_activation_that_timm_puts_into_it(kind):
    with torch.device("meta"):
        published = build("timm", name="mobilenetv4_conv_small_035")
        varied = build("timm", name="mobilenetv4_conv_small_035", normalization=kind, reduction=7)
    activations = [sum(isinstance(layer, torch.nn.ReLU) for layer in one.modules()) for one in (published, varied)]
    assert activations[1] == activations[0] + 1  # that of the reduction
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in varied.modules())
    assert varied(torch.empty(2, 3, 64, 64, device="meta")).shape == (2, 10)


def test_inception_resnet_pools_and_drops_otherwise():
    with torch.device("meta"):
        network = build("inception_resnet", image_size=75, pooling="average", dropout=0.5, normalization="group")
    assert not any(isinstance(layer, torch.nn.MaxPool2d | torch.nn.BatchNorm2d) for layer in network.modules())
    assert 0.5 in {layer.p for layer in network.modules() if isinstance(layer, torch.nn.Dropout)}
    assert network(torch.empty(2, 3, 75, 75, device="meta")).shape == (2, 10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "vit_tiny_patch16_224", "normalization": "batch"}, "is normalised by LayerNorm"),
        ({"dropout": 0.5, "options": {"drop_rate": 0.2}}, r"is network\.options\.drop_rate"),
        ({"weights": "pretrained", "reduction": 8}, r"leave away network\.normalization"),
    ],
)
def test_variations_that_do_not_fit_are_refused(changes, message):
    with torch.device("meta"), pytest.raises(UserError, match=message):
        build("timm", **changes)


def test_images_too_small_for_a_network_of_timm_are_refused():
    with pytest.raises(UserError, match=r"at least 75 px, found data\.image_size=64"):
        build("timm", name="inception_v4", image_size=64)


def test_published_weights_put_by_hand_where_the_message_says_are_used(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise requests.ConnectionError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(requests, "get", no_network)
    monkeypatch.setattr(download, "PAUSE", 0.01)
    with pytest.raises(UserError) as error:
        build("timm", name="resnet10t", weights="pretrained")
    folder, name = re.search(r"put it into (\S+) as (\S+) and", str(error.value)).groups()
    place = Path(folder, name)
    assert f"mkdir -p {folder})" in str(error.value)
    place.parent.mkdir(parents=True)
    learned = timm.create_model("resnet10t").state_dict()
    save_file(learned, place)
    for weights in ("pretrained", "c3_in1k"):
        state = build("timm", name="resnet10t", weights=weights, num_classes=3).state_dict()
        assert all(torch.equal(value, learned[key]) for key, value in state.items() if not key.startswith("fc."))
    place.write_bytes(b"cut")
    with pytest.raises(UserError, match="damaged"):
        build("timm", name="resnet10t", weights="pretrained")


def test_a_name_with_a_tag_has_only_the_weights_of_that_tag():
    assert list(published_configs("resnet50.a1_in1k")) == ["pretrained", "a1_in1k"]
    assert {"pretrained", "a1_in1k", "tv_in1k"} <= published_configs("resnet50").keys()
    with pytest.raises(UserError, match="these are: pretrained, a1_in1k"):
        build("timm", name="resnet50.a1_in1k", weights="tv_in1k")
