from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from src.errors import UserError
from src.networks.head import head_names
from src.networks.input_layer import spread_channels
from src.networks.weights import load_state
from src.networks.weights_file import read_state
from tests.networks.building import LIGHT_FAMILIES, build


def small(**changes):
    return build("resnet", depth=10, layers=[1, 1, 1, 1], **changes)


def same(one, two, but=()):
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one if not key.startswith(but))


@pytest.fixture
def learned():
    torch.manual_seed(1)
    return small().state_dict()


def as_safetensors(folder, state):
    save_file(state, folder / "w.safetensors")
    return folder / "w.safetensors"


def as_state_dict(folder, state):
    torch.save(state, folder / "w.pt")
    return folder / "w.pt"


def as_lightning_checkpoint(folder, state):
    states = {**{f"network.{key}": value for key, value in state.items()}, "class_weights": torch.ones(10)}
    torch.save({"state_dict": states, "optimizer_states": [{"lr": 0.1}], "epoch": 3}, folder / "last.ckpt")
    return folder / "last.ckpt"


def as_data_parallel_checkpoint(folder, state):
    torch.save({"model": {f"module.{key}": value for key, value in state.items()}, "epoch": 3}, folder / "w.pth")
    return folder / "w.pth"


def as_run_directory(folder, state):
    save_file(state, folder / "weights.safetensors")
    return folder


def as_another_programs_checkpoint(folder, state):
    states = {**{f"model.{key}": value for key, value in state.items()}, "loss.weight": torch.ones(10)}
    torch.save({"state_dict": states, "epoch": 3}, folder / "last.ckpt")
    return folder / "last.ckpt"


def as_backbone(folder, state):
    parts = {**{f"module.encoder_q.{key}": value for key, value in state.items()}, "module.queue": torch.ones(3)}
    torch.save({"model_state_dict": parts}, folder / "w.pth")
    return folder / "w.pth"


FORMS = [as_another_programs_checkpoint, as_backbone]
FORMS += [as_safetensors, as_state_dict, as_lightning_checkpoint, as_data_parallel_checkpoint, as_run_directory]


@pytest.mark.parametrize("form", FORMS)
def test_weights_come_back_bit_for_bit_from_every_form(form, tmp_path, learned):
    torch.manual_seed(2)
    assert not same(small().state_dict(), learned)
    assert same(small(weights=str(form(tmp_path, learned))).state_dict(), learned)


@pytest.mark.parametrize("name", LIGHT_FAMILIES)
def test_another_number_of_classes_leaves_only_the_head_new(name, tmp_path):
    torch.manual_seed(1)
    old = build(name, num_classes=5, **LIGHT_FAMILIES[name])
    file = as_safetensors(tmp_path, {key: value.contiguous() for key, value in old.state_dict().items()})
    torch.manual_seed(2)
    fresh = build(name, num_classes=3, **LIGHT_FAMILIES[name]).state_dict()
    torch.manual_seed(2)
    network = build(name, num_classes=3, weights=str(file), **LIGHT_FAMILIES[name])
    heads = tuple(f"{head}." for head in head_names(network))
    state = network.state_dict()
    assert same(state, old.state_dict(), but=heads)
    assert all(torch.equal(state[key], fresh[key]) for key in state if key.startswith(heads))


def test_weights_without_a_head_leave_the_head_new(tmp_path, learned):
    body = {key: value for key, value in learned.items() if not key.startswith("fc.")}
    assert same(small(weights=str(as_safetensors(tmp_path, body))).state_dict(), learned, but=("fc.",))


def test_old_files_without_batch_counters_fit(tmp_path, learned):
    old = {key: value for key, value in learned.items() if not key.endswith("num_batches_tracked")}
    assert same(small(weights=str(as_safetensors(tmp_path, old))).state_dict(), learned)


@pytest.mark.parametrize("in_channels", [1, 5])
def test_colour_weights_answer_grey_images_of_any_channels_as_before(in_channels, tmp_path, learned):
    file = as_safetensors(tmp_path, learned)
    grey = torch.rand(2, 1, 64, 64)
    colour = small(weights=str(file)).eval()
    other = small(weights=str(file), in_channels=in_channels).eval()
    with torch.no_grad():
        expected = colour(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(other(grey.expand(-1, in_channels, -1, -1)), expected, rtol=1e-4, atol=1e-5)


def test_one_channel_gets_the_sum_of_the_colours_kernels():
    kernels = torch.arange(6.0).view(2, 3, 1, 1)  # per filter: 0 1 2, and 3 4 5
    assert spread_channels(kernels, 1).flatten().tolist() == [3.0, 12.0]
    assert spread_channels(kernels, 4).flatten().tolist() == [0.75] * 4 + [3.0] * 4


def test_weights_of_another_network_are_listed_by_kind_at_once(tmp_path, learned):
    file = as_safetensors(tmp_path, build("resnet", depth=50).state_dict())
    with pytest.raises(UserError) as error:
        small(weights=str(file))
    message = str(error.value)
    assert f"network.weights={file} does not fit this ResNet" in message
    unexpected = next(line for line in message.splitlines() if "unexpected (" in line)
    assert unexpected.endswith("more")
    assert unexpected.count(", ") == 9
    assert "layer1.0.conv1.weight (64, 64, 1, 1) instead of (64, 64, 3, 3)" in message


@pytest.mark.parametrize(
    ("there", "here", "hint"),
    [
        (224, 32, r"first filters are 7x7, those of network\.stem=small are 3x3: type network\.stem=imagenet"),
        (32, 224, r"first filters are 3x3, those of network\.stem=imagenet are 7x7: type network\.stem=small"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_weights_of_another_stem_say_which_to_type(form, there, here, hint, tmp_path):
    file = form(tmp_path, small(image_size=there, num_classes=1000).state_dict())
    with pytest.raises(UserError, match=hint) as error:
        small(image_size=here, weights=str(file))
    assert "another network" not in str(error.value)
    stem = hint.rpartition("=")[2]
    small(image_size=here, stem=stem, weights=str(file))


@pytest.mark.parametrize(("family", "filters"), [("convnext", "4x4"), ("nin", "11x11")])
def test_other_families_with_a_stem_say_it_too(family, filters, tmp_path):
    file = as_safetensors(tmp_path, {key: value.contiguous() for key, value in build(family).state_dict().items()})
    with pytest.raises(UserError, match=rf"first filters are {filters}.*type network\.stem=imagenet"):
        build(family, image_size=32, weights=str(file))


def test_a_file_for_a_network_whose_stem_is_a_matter_of_stride_is_told_of_it(tmp_path, caplog):
    """Weights of a strided stem fit any stride, so only a word can help."""
    file = as_safetensors(tmp_path, build("mobilenet", variant="v2", stem="imagenet").state_dict())
    with caplog.at_level(logging.INFO, logger="src.networks"):
        build("mobilenet", variant="v2", image_size=32, weights=str(file))
    assert "network.stem=auto: small, for images of 32 px; what was learned on larger images wants" in caplog.text


def test_missing_keys_are_named_and_nothing_is_loaded(learned):
    network = small()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    learned.pop("layer1.0.conv1.weight")
    with pytest.raises(UserError, match=r"missing \(1\): layer1\.0\.conv1\.weight$"):
        load_state(network, learned, "file")
    assert same(network.state_dict(), before)


def test_a_runs_own_weights_must_fit_to_the_head(learned):
    with pytest.raises(UserError, match=r"fc\.weight \(10, 512\) instead of \(3, 512\)"):
        load_state(small(num_classes=3), learned, "best.ckpt", new_head=False)


def test_an_unknown_name_says_the_nearest_and_all():
    with pytest.raises(UserError) as error:
        build("resnet", weights="imagenet1k")
    assert "IMAGENET1K_V1, DEFAULT" in str(error.value)
    assert "did you mean network.weights=IMAGENET1K_V1?" in str(error.value)


def test_a_missing_file_is_named():
    with pytest.raises(UserError, match=r"network\.weights=runs/no/such\.pt is no file, folder or URL"):
        build("resnet", weights="runs/no/such.pt")


def test_a_folder_without_weights_says_which_checkpoint_it_has(tmp_path):
    with pytest.raises(UserError, match=r"no weights\.safetensors"):
        build("resnet", weights=str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    with pytest.raises(UserError, match=r"checkpoints/last\.ckpt"):
        build("resnet", weights=str(tmp_path))


class RunsAnything:
    """Pickled, it creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_nothing_is_unpickled(tmp_path, learned):
    torch.save({**learned, "extra": RunsAnything(tmp_path / "ran")}, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"w\.pt .*Python objects besides tensors"):
        small(weights=str(tmp_path / "w.pt"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors", "w.ckpt"])
@pytest.mark.parametrize(
    "content", [b"", b"\x80\x02", b"PK\x03\x04", b"<html>not found</html>", bytes(range(256)) * 40]
)
def test_a_damaged_file_is_named(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        read_state(tmp_path / name)


def test_a_truncated_file_is_named(tmp_path, learned):
    for file in (as_safetensors(tmp_path, learned), as_state_dict(tmp_path, learned)):
        file.write_bytes(file.read_bytes()[:-1000])
        with pytest.raises(UserError, match=file.name):
            read_state(file)


@pytest.mark.parametrize("stored", [{}, [torch.ones(1)], {"epoch": 3}, {"state_dict": {"weight": "text"}}])
def test_a_file_without_weights_is_named(stored, tmp_path):
    torch.save(stored, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"w\.pt holds no weights"):
        read_state(tmp_path / "w.pt")
