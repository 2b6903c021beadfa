"""Images of more than 8 bits are seen over the range that they use, or that is typed."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
import tifffile

from src.config.command import compose
from src.config.saved import plain
from src.data.decode import Unreadable, decode
from src.data.inspection import inspect
from src.data.preparation import prepare
from src.data.sources.folder import Folder
from src.data.value_range import Values, settled, values_of
from src.errors import UserError
from src.runs.training import open_data


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def folder(root, images, asked="auto"):
    """Write an image of each class as .npy and open them; all are for training."""
    for number, image in enumerate(images):
        (root / f"class{number}").mkdir(parents=True)
        np.save(root / f"class{number}/1.npy", image)
    source = Folder(str(root), None, 1, "auto", asked)
    source.setup()
    return source, inspect(source, np.arange(len(source)), root.parent / "cache", np.arange(len(source)))


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32", "float64"])
def test_the_values_of_the_span_become_black_and_white(dtype):
    image = np.array([[-10, 0, 50], [100, 200, 300]]).astype(dtype)
    if dtype == "uint16":
        image[0, 0] = 0
    # (value - 0) * 255 / 200, rounded, and cut at both ends
    np.testing.assert_array_equal(decode(saved(image), 1, span=(0, 200))[..., 0], [[0, 0, 64], [128, 255, 255]])


def test_pixels_that_are_no_numbers_are_black_within_a_span_and_told(tmp_path):
    image = np.array([[np.nan, np.inf], [-np.inf, 5.0]], np.float32)
    np.testing.assert_array_equal(decode(saved(image), 1, span=(0, 10))[..., 0], [[0, 255], [0, 128]])
    _, found = folder(tmp_path / "set", [np.where(np.eye(8) > 0, np.nan, 900.0).astype("f4"), np.ones((8, 8), "f4")])
    assert found.unreadable == ()
    assert "1 images have pixels that are no finite number" in " ".join(found.remarks)


def test_images_that_use_little_of_16_bits_are_seen_over_what_they_use(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.integers(low, high, (32, 32), dtype=np.uint16) for low, high in ((960, 1040), (1020, 1101))]
    images[0][0, 0], images[1][0, 0] = 960, 1100
    source, found = folder(tmp_path / "set", images)
    assert source.span == (960, 1100)
    assert "[960,1100]" in found.remarks[0]
    for index, image in enumerate(images):
        np.testing.assert_array_equal(
            source.read(index)["image"][..., 0], np.rint((image.astype(float) - 960) * 255 / 140).astype(np.uint8)
        )


def test_ct_values_below_zero_are_read(tmp_path):
    source, found = folder(tmp_path / "set", [np.full((8, 8), -1000, np.int16), np.full((8, 8), 400, np.int16)])
    assert source.span == (-1000, 400)
    assert found.unreadable == ()
    assert [int(source.read(i)["image"].max()) for i in (0, 1)] == [0, 255]


def test_images_that_use_16_bits_keep_their_full_range(tmp_path):
    image = np.linspace(0, 65535, 1024).astype(np.uint16).reshape(32, 32)
    source, found = folder(tmp_path / "set", [image, image[::-1]])
    assert source.span is None
    assert found.remarks == ()
    np.testing.assert_array_equal(source.read(0)["image"][..., 0], (image.astype(np.uint32) + 128) // 257)


def test_one_bright_pixel_that_hides_the_range_is_told_with_what_to_type(tmp_path):
    image = np.random.default_rng(0).integers(1000, 1100, (64, 64), dtype=np.uint16)
    image[0, 0] = 65535
    source, found = folder(tmp_path / "set", [image, image])
    assert source.span is None
    (remark,) = [line for line in found.remarks if "shades" in line]
    assert "1 of 256 shades" in remark
    assert "data.source.range=[1000,1099]" in remark


def test_the_full_range_where_little_is_used_is_told(tmp_path):
    _, found = folder(tmp_path / "set", [np.full((8, 8), 1000, np.uint16), np.full((8, 8), 1060, np.uint16)], "full")
    assert "1 of 256 shades" in found.remarks[0]
    assert "data.source.range=[1000,1060]" in found.remarks[0]


def test_only_training_images_are_measured(tmp_path):
    images = [np.full((8, 8), value, np.uint16) for value in (1000, 1100, 3000)]
    source, _ = folder(tmp_path / "set", images)
    inspect(source, np.arange(3), tmp_path / "cache", np.array([0, 1]))
    assert source.span == (1000, 1100)


def test_floats_beyond_one_say_what_to_type_or_are_measured(tmp_path):
    with pytest.raises(Unreadable, match=r"floats from 3 to 300.*data\.source\.range=auto"):
        decode(saved(np.linspace(3, 300, 16, dtype=np.float32).reshape(4, 4)), 1)
    images = [np.full((4, 4), value, np.float32) for value in (3.0, 300.0)]
    assert folder(tmp_path / "set", images)[0].span == (3, 300)


def test_a_range_whose_ends_are_the_wrong_way_round_is_told():
    with pytest.raises(UserError, match="the lower one"):
        settled([10.0, 10.0], [])


def test_what_has_8_bits_has_no_range():
    assert values_of(np.zeros((2, 2), np.uint8)) is None
    assert settled("auto", []) == (None, [])
    assert "has no effect" in settled([0.0, 5.0], [])[1][0]


def test_whole_numbers_and_floats_together_stay_as_they_are():
    found = [Values("uint16", 0, 900, 0, 900, 0), Values("float32", 0, 1, 0, 1, 0)]
    span, remarks = settled("auto", found)
    assert span is None
    assert "float32 and uint16" in remarks[0]


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_colours_of_16_bits_keep_all_of_them(kind):
    values = np.array([[[1000, 1030, 1060], [1015, 1045, 1000]]], np.uint16)
    if kind == "png":
        data = cv2.imencode(".png", values[..., ::-1])[1].tobytes()
    else:
        file = io.BytesIO()
        tifffile.imwrite(file, values, photometric="rgb")
        data = file.getvalue()
    np.testing.assert_array_equal(decode(data, 3, span=(1000, 1060)), [[[0, 128, 255], [64, 191, 0]]])


def test_every_medium_gives_the_pixels_of_the_range(tmp_path):
    images = [np.random.default_rng(number).integers(-1000, 400, (12, 10)).astype(np.int16) for number in range(8)]
    for number, image in enumerate(images):
        image[0, :2] = -1000, 400
        (tmp_path / f"set/class{number // 4}").mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / f"set/class{number // 4}/{number}.npy", image)
    keys = ["data=folder", f"data.root={tmp_path / 'set'}", "data.source.channels=1"]
    stream = ["data.store=stream", f"data.stream={tmp_path / 'stream'}"]
    list(prepare(plain(compose("prepare", [*keys, *stream]).config)["data"], chunk=1.0, overwrite=False))
    expected = [np.rint((image.astype(float) + 1000) * 255 / 1400).astype(np.uint8).tobytes() for image in images]
    for store in (["data.store=files"], ["data.store=packed"], stream):
        data = open_data(plain(compose("train", ["model=lenet", "augment=none", *keys, *store]).config))
        assert data.open().span == (-1000, 400)
        assert [data.medium.read(index)["image"].tobytes() for index in range(8)] == expected
