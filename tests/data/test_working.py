"""The working size: what becomes of images and of every target, and that decoding at a reduced scale obeys it."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from src.data.decode import decode, reduced_sizes
from src.data.medium import Files
from src.data.sources.boxes_csv import BoxesCsv
from src.data.working import WorkingSize
from tests.data.test_boxes_csv import OPTIONS


@pytest.mark.parametrize(
    ("working", "size", "expected"),
    [
        (WorkingSize(160), (375, 500), (160, 213)),
        (WorkingSize(160), (500, 375), (213, 160)),
        (WorkingSize(160), (120, 400), (120, 400)),  # nothing is enlarged
        (WorkingSize(160, square=True), (375, 500), (160, 160)),
        (WorkingSize(160, square=True), (60, 80), (160, 160)),
    ],
)
def test_the_size_that_an_image_is_brought_to(working, size, expected):
    assert working.of(*size) == expected


def test_every_target_comes_along():
    """Halved: pixel boxes are halved, masks too, what is relative stays to the bit."""
    image = np.random.default_rng(0).integers(0, 256, (80, 120, 3), dtype=np.uint8)
    left = np.zeros((80, 120), np.uint8)
    left[:, :60] = 1
    sample = {
        "image": image,
        "label": 3,
        "box": np.array([0.1, 0.2, 0.7, 0.9], np.float32),
        "boxes": np.array([[0, 0, 60, 80], [30, 20, 90, 60]], np.float32),
        "labels": np.array([1, 2]),
        "masks": left[None],
        "mask": left.astype(np.int64) * 255,
        "keypoints": np.array([[0.3, 0.4]], np.float32),
        "visible": np.array([True]),
        "index": 5,
    }
    seen = WorkingSize(40).fitted(sample)
    assert seen["image"].shape == (40, 60, 3)
    assert (seen["image"] == cv2.resize(image, (60, 40), interpolation=cv2.INTER_LINEAR)).all()
    assert seen["boxes"].tolist() == [[0, 0, 30, 40], [15, 10, 45, 30]]
    assert seen["boxes"].dtype == np.float32
    half = np.repeat([[1] * 30 + [0] * 30], 40, axis=0)
    assert (seen["masks"] == half).all()
    assert (seen["mask"] == half * 255).all()
    assert seen["mask"].dtype == np.int64
    assert all(seen[key] is sample[key] for key in ("label", "box", "labels", "keypoints", "visible", "index"))
    square = WorkingSize(40, square=True).fitted(sample)
    assert square["boxes"].tolist() == [[0, 0, 20, 40], [10, 10, 30, 30]]


def test_an_image_of_that_size_already_keeps_its_pixels():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    assert WorkingSize(40).fitted({"image": image})["image"] is image


def photograph(height: int, width: int, orientation: int = 1) -> bytes:
    """A smooth picture, so that any way of making it smaller gives nearly the same."""
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack([x * 255 / width, y * 255 / height, 128 + 100 * np.sin(x / 40)], -1).astype(np.uint8)
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(stream, "JPEG", quality=95, exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("at_least", "shape"), [(301, (601, 401)), (201, (301, 201)), (100, (151, 101)), (50, (76, 51)), (10, (76, 51))]
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_is_decoded_no_smaller_than_needed(at_least, shape, orientation):
    data = photograph(601, 401, orientation)
    image = decode(data, 3, at_least)
    assert image.shape[:2] == (shape if orientation == 1 else shape[::-1])
    assert reduced_sizes(601, 401, at_least)[0] == (601, 401)
    assert reduced_sizes(601, 401, at_least)[-1] == shape
    assert decode(data, 1, at_least).shape == (*image.shape[:2], 1)


@pytest.mark.parametrize("divisor", [2, 4, 8])
def test_a_reduced_jpeg_shows_the_mean_of_its_pixels(divisor):
    """The last row and column stand for what there is no more of: the border repeated."""
    data = photograph(601, 401)
    whole, image = decode(data, 3), decode(data, 3, -(-401 // divisor))
    height, width = image.shape[:2]
    padded = np.pad(whole, ((0, height * divisor - 601), (0, width * divisor - 401), (0, 0)), "edge").astype(float)
    means = padded.reshape(height, divisor, width, divisor, 3).mean(axis=(1, 3))
    assert np.abs(image - means).mean() < 1


def test_other_formats_and_no_size_are_decoded_whole():
    image = np.zeros((64, 64, 3), np.uint8)
    assert decode(cv2.imencode(".png", image)[1].tobytes(), 3, 8).shape == (64, 64, 3)
    assert decode(photograph(64, 64), 3).shape == (64, 64, 3)


def test_boxes_in_pixels_follow_a_reduced_image(tmp_path):
    """A box of a quarter of the image is one of a quarter at every size."""
    (tmp_path / "a.jpg").write_bytes(photograph(400, 600))
    (tmp_path / "boxes.csv").write_text("image,label,x0,y0,x1,y1\na.jpg,cat,0,0,300,200\na.jpg,cat,300,200,500,300\n")
    source = BoxesCsv(str(tmp_path), **OPTIONS)
    source.setup()
    sample = Files(source, WorkingSize(90)).read(0)
    assert sample["image"].shape == (90, 135, 3)
    np.testing.assert_allclose(sample["boxes"], [[0, 0, 67.5, 45], [67.5, 45, 112.5, 67.5]], rtol=1e-6)
    assert sample["box"].tolist() == [0, 0, 0.5, 0.5]
