"""Images that lie on the device are cut there to the very pixels that OpenCV gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from src.config.command import compose
from src.data.crop import CropBox, Crops, cut_image
from src.data.inspection import inspect
from src.data.media.choice import Wanted, packed
from src.data.media.on_device import OnDevice, _require_room, require_cuttable
from src.data.sources.base import Source
from src.data.sources.shapes import Shapes
from src.data.transfer import Transfer
from src.errors import UserError
from src.runs import session
from tests.prove.promise import same, tensors
from tests.training import TINY, on_top


class Noise(Source):
    """Images of every size from a pixel to 400, of any number of channels."""

    targets = ("label",)
    classes = ("a", "b")

    def __init__(self, channels: int, count: int) -> None:
        self.channels, self.count = channels, count

    def setup(self):
        pass

    def __len__(self):
        return self.count

    def read(self, index):
        random = np.random.default_rng(index)
        height, width = np.exp(random.uniform(0, np.log(400), 2)).astype(int)
        image = random.integers(0, 256, (height, width, self.channels), dtype=np.uint8)
        return {"image": image, "label": index % 2, "index": index, "path": str(index)}

    def labels(self):
        return np.arange(self.count) % 2

    def splits(self):
        return {"all": np.arange(self.count)}

    def fingerprint(self, index):
        return str(index).encode()


def on_device(source: Source, cache) -> OnDevice:
    indices = np.arange(len(source))
    return OnDevice(packed(Wanted(source, indices, inspect(source, indices, cache).listing, None, cache)))


def random_box(height: int, width: int, random: np.random.Generator) -> CropBox:
    h, w = int(random.integers(1, height + 1)), int(random.integers(1, width + 1))
    top, left = int(random.integers(0, height - h + 1)), int(random.integers(0, width - w + 1))
    return CropBox(top, left, h, w, bool(random.integers(2)), bool(random.integers(2)))


def crops_of(boxes: list[CropBox]) -> Crops:
    crops = Crops.of(boxes)
    crops.mirrored = np.array([box.mirrored for box in boxes])
    crops.upside_down = np.array([box.upside_down for box in boxes])
    return crops


@pytest.mark.parametrize("size", [16, 37])
@pytest.mark.parametrize("channels", [1, 3, 4, 5])
def test_thousands_of_random_crops_are_opencvs_to_the_bit(channels, size, tmp_path):
    """Parts from one pixel to 25 times the size: enlarged, kept, made smaller, halved up to four times, turned."""
    medium, random = on_device(Noise(channels, 60), tmp_path), np.random.default_rng(size)
    for _ in range(8):
        indices = random.permutation(60).tolist()
        samples = [medium.read(index) for index in indices]
        boxes = [random_box(*sample["image"].shape[:2], random) for sample in samples]
        found = medium.images(medium.parts(indices, crops_of(boxes), size), size)
        assert found.shape == (60, channels, size, size)
        for sample, box, image in zip(samples, boxes, found.permute(0, 2, 3, 1).numpy(), strict=True):
            np.testing.assert_array_equal(image, cut_image(sample["image"], box, size), err_msg=str(box))


@pytest.mark.parametrize("side", [32, 64, 65, 128, 200])
def test_halves_and_quarters_and_the_size_itself(side, tmp_path):
    """OpenCV takes another way where both sides are exactly twice too long."""

    class Squares(Noise):
        def read(self, index):
            return super().read(index) | {
                "image": np.random.default_rng(index).integers(0, 256, (200, 200, 3), np.uint8)
            }

    medium = on_device(Squares(3, 4), tmp_path)
    boxes = [CropBox(0, 0, side, side, mirrored, down) for mirrored in (False, True) for down in (False, True)]
    found = medium.images(medium.parts(range(4), crops_of(boxes), 32), 32).permute(0, 2, 3, 1).numpy()
    for index, box in enumerate(boxes):
        np.testing.assert_array_equal(found[index], cut_image(medium.read(index)["image"], box, 32))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_training_has_the_bits_of_the_files(workers, tmp_path):
    """Every target comes along: the localizer's boxes are those of the crops."""
    runs = []
    for store in ("files", "device"):
        runs.append(tmp_path / store)
        typed = ["model=localizer", "network=lenet", f"data.store={store}", f"data.num_workers={workers}"]
        typed += ["data.image_size=28", f"data.cache_dir={tmp_path}/cache", f"run_dir={runs[-1]}"]
        session.start(compose("train", on_top(TINY, typed)))
    assert same(*map(tensors, runs))
    figures = [(run / "metrics.json").read_text() for run in runs]
    assert figures[0] == figures[1]


def test_transforms_of_the_cpu_are_refused_with_what_to_type(tmp_path):
    typed = on_top(TINY, ["augment=strong", "data.store=device", f"run_dir={tmp_path}/run"])
    with pytest.raises(UserError, match=r"color, gray, blur, erase.*data\.store=packed"):
        session.start(compose("train", typed))


@pytest.mark.parametrize("channels", [2, 6])
def test_channels_that_opencv_rounds_otherwise_are_refused(channels):
    with pytest.raises(UserError, match=rf"{channels} channels.*data\.store=packed"):
        require_cuttable([], channels)


def test_images_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1 << 30, 8 << 30))
    _require_room(1 << 28, torch.device("cuda"))
    with pytest.raises(UserError, match=r"take 0\.8 GiB.*data\.store=packed"):
        _require_room(3 << 28, torch.device("cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_gives_the_pixels_of_the_cpu(tmp_path):
    medium, random = on_device(Noise(3, 60), tmp_path), np.random.default_rng(0)
    boxes = [random_box(*medium.read(index)["image"].shape[:2], random) for index in range(60)]
    parts = medium.parts(range(60), crops_of(boxes), 24)
    expected = medium.images(parts, 24)
    there = Transfer()({"parts": parts}, torch.device("cuda"))
    found = medium.images(there["parts"], 24)
    assert found.device.type == "cuda"
    assert torch.equal(found.cpu(), expected)


def test_a_picture_of_the_first_batch_can_be_had(tmp_path):
    """`debug=batch` shows images that lie on the device."""
    source = Shapes(size=32, train=8, val=1, test=1, identities=7, max_objects=1, nothing=0.0, seed=0)
    assert source.image_size == 32
    typed = on_top(TINY, ["data.store=device", f"data.cache_dir={tmp_path}", f"runs_dir={tmp_path}", "debug=batch"])
    session.start(compose("train", typed))
    assert list(tmp_path.glob("batch-*.png"))
