"""Crops have torchvision's distribution, are repeatable, and take every target with them."""

import math

import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import RandomResizedCrop

from src.data.crop import CropBox, Stream, central_crop, cut, cut_image, cut_mask, random_resized_crops


def test_the_stream_is_splitmix64():
    """Reference values of SplitMix64 seeded with 1234567, as its public test vectors give them."""
    from src.data import crop

    states = np.array([(1234567 + n * 0x9E3779B97F4A7C15) % 2**64 for n in (1, 2, 3)], np.uint64)
    found = crop._mixed(states).tolist()
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_the_stream_depends_on_seed_epoch_and_index_alone():
    rows = np.arange(8)
    together = [Stream(seed, epoch, rows).uniform(rows) for seed in range(8) for epoch in range(8)]
    assert len(np.unique(together)) == 512
    alone = [Stream(1, 2, [index]).uniform(np.array([0]))[0] for index in rows]
    assert alone == together[8 + 2].tolist()


def test_a_row_that_draws_does_not_move_the_others():
    stream, other = Stream(5, 0, np.arange(4)), Stream(5, 0, np.arange(4))
    stream.uniform(np.array([1, 3]))
    assert stream.uniform(np.array([0, 2])).tolist() == other.uniform(np.arange(4))[[0, 2]].tolist()
    assert stream.uniform(np.array([1, 3])).tolist() == other.uniform(np.array([1, 3])).tolist()


def test_a_seed_keeps_its_meaning():
    """SplitMix64 by Python's own integers, for a key of (3, 1, 7) mixed in one after the other."""
    mask = 2**64 - 1

    def mixed(z):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    state = mixed(mixed(mixed(3) ^ 1) ^ 7)
    expected = [(mixed((state + n * 0x9E3779B97F4A7C15) & mask) >> 11) * 2.0**-53 for n in (1, 2)]
    stream, row = Stream(3, 1, [7]), np.array([0])
    assert [stream.uniform(row)[0] for _ in range(2)] == expected


def test_uniform_numbers_are_uniform():
    rows = np.arange(100)
    numbers = np.array([Stream(0, epoch, rows).uniform(rows) for epoch in range(100)])
    counts = np.histogram(numbers, 20, (0, 1))[0]
    assert ((counts - 500) ** 2 / 500).sum() < 43.8  # chi-squared with 19 degrees of freedom, p = 0.001


@pytest.mark.parametrize(("height", "width"), [(160, 213), (160, 160), (100, 500)])
def test_random_resized_crop_has_torchvisions_distribution(height, width):
    torch.manual_seed(0)
    image = torch.zeros(3, height, width)
    scale, ratio = (0.25, 1.0), (3 / 4, 4 / 3)
    theirs = RandomResizedCrop(10, scale, ratio)
    reference = np.array(
        [[p[k] for k in ("height", "width", "top", "left")] for p in (theirs.make_params([image]) for _ in range(3000))]
    )
    rows = np.arange(3000)
    places = random_resized_crops(
        np.tile([height, width], (3000, 1)), scale, np.tile(ratio, (3000, 1)), Stream(0, 0, rows), rows
    )
    ours = places[:, [2, 3, 0, 1]]
    error = np.sqrt(reference.var(0) / 3000 + ours.var(0) / 3000) + 1e-9
    assert (np.abs(reference.mean(0) - ours.mean(0)) / error < 4).all()
    assert (places[:, :2] + places[:, 2:] <= [height, width]).all()


def test_a_crop_that_cannot_have_its_ratio_is_the_largest_central_one():
    row = np.array([0])
    places = random_resized_crops(np.array([[10, 1000]]), (1.0, 1.0), np.ones((1, 2)), Stream(0, 0, [0]), row)
    assert places.tolist() == [[0, 495, 10, 10]]


def test_the_central_crop_of_256_and_224():
    """Shorter side 512 to 256, 224 of it: 448 pixels of the original, centred."""
    assert central_crop(512, 768, 224, 0.875) == CropBox(32, 160, 448, 448)
    assert central_crop(64, 64, 64, 1.0) == CropBox(0, 0, 64, 64)


def test_a_crop_without_a_change_of_size_is_the_pixels_themselves():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert (cut_image(image, CropBox(5, 7, 10, 10), 10) == image[5:15, 7:17]).all()
    assert (cut_image(image, CropBox(5, 7, 10, 10, mirrored=True), 10) == image[5:15, 7:17][:, ::-1]).all()
    assert (cut_image(image, CropBox(5, 7, 10, 10, upside_down=True), 10) == image[5:15, 7:17][::-1]).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 13])
def test_any_number_of_channels_is_resized_alike(channels):
    image = np.random.default_rng(0).integers(0, 256, (40, 40, channels), dtype=np.uint8)
    found = cut_image(image, CropBox(0, 0, 30, 32), 16)
    assert found.shape == (16, 16, channels)
    for c in range(channels):
        assert (found[..., c] == cv2.resize(image[:30, :32, c], (16, 16), interpolation=cv2.INTER_LINEAR)).all()


def test_shrinking_to_a_quarter_averages_all_sixteen_pixels():
    """Bilinear interpolation alone would look at 4 pixels of each 16."""
    ramp = np.arange(64, dtype=np.uint8).repeat(4)[None, :, None].repeat(256, 0)  # constant over four columns
    assert (cut_image(ramp, CropBox(0, 0, 256, 256), 64)[..., 0] == np.arange(64)).all()
    single = np.zeros((256, 256, 1), np.uint8)
    single[1::4, 2::4] = 160  # one pixel in sixteen
    assert (cut_image(single, CropBox(0, 0, 256, 256), 64) == 10).all()


def test_what_a_crop_leaves_out_is_never_read():
    image = np.full((50, 60, 3), 255, np.uint8)
    image[10:40, 20:50] = 7
    assert (cut_image(image, CropBox(10, 20, 30, 30), 64) == 7).all()


@pytest.mark.parametrize(("side", "size"), [(12, 4), (12, 8), (12, 24), (10, 7)])
def test_masks_take_the_value_at_each_pixels_centre(side, size):
    mask = np.random.default_rng(0).integers(0, 300, (side, side))
    found = cut_mask(mask, CropBox(0, 0, side, side, upside_down=True), (size, size))
    expected = torch.nn.functional.interpolate(torch.tensor(mask)[None, None].double(), size=size, mode="nearest-exact")
    assert found.dtype == mask.dtype
    assert (found == expected[0, 0].numpy()[::-1]).all()


def test_targets_go_with_the_image_by_hand():
    sample = {
        "image": np.zeros((100, 200, 3), np.uint8),
        "box": np.array([0.25, 0.2, 0.5, 0.6], np.float32),  # 50..100 x 20..60
        "boxes": np.array([[50, 20, 100, 60]], np.float32),
        "keypoints": np.array([[0.25, 0.2], [0.9, 0.9]], np.float32),
        "visible": np.array([True, True]),
    }
    seen = cut(sample, CropBox(top=0, left=40, height=50, width=100, mirrored=True), 10)
    # x: (50 - 40) / 100 = 0.1 and (100 - 40) / 100 = 0.6, mirrored 0.4..0.9; y: 20 / 50 = 0.4 and 60 / 50, clipped to 1
    np.testing.assert_allclose(seen["box"], [0.4, 0.4, 0.9, 1.0], atol=1e-6)
    np.testing.assert_allclose(seen["boxes"], [[4, 4, 9, 10]], atol=1e-5)
    np.testing.assert_allclose(seen["keypoints"][0], [0.9, 0.4], atol=1e-6)
    assert seen["visible"].tolist() == [True, False]


def test_masks_stay_on_their_objects():
    image = np.zeros((60, 60, 3), np.uint8)
    image[10:30, 20:50] = 255
    mask = (image[..., 0] > 0).astype(np.uint8)
    box = CropBox(5, 10, 40, 45, mirrored=True)
    seen = cut({"image": image, "masks": mask[None], "mask": mask.astype(np.int64)}, box, 120)
    agree = (seen["image"][..., 0] > 127) == seen["masks"][0].astype(bool)
    assert agree.mean() > 0.99
    assert (seen["mask"] == seen["masks"][0]).all()
    assert math.isclose(seen["masks"][0].mean(), 20 * 30 / (40 * 45), abs_tol=0.01)
