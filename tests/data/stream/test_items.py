"""What lies in a chunk comes back as the source gave it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from src.data.decode import decode
from src.data.sources.shapes import Shapes
from src.data.stream.items import pack, unpack

SHAPES = {"size": 32, "train": 12, "val": 1, "test": 1, "identities": 7, "max_objects": 3, "nothing": 0.3, "seed": 0}


def same(one, other):
    return (
        type(one) is type(other)
        and np.array_equal(one, other)
        and getattr(one, "dtype", 0) == getattr(other, "dtype", 0)
    )


def test_every_target_of_a_drawn_picture_comes_back():
    source = Shapes(**SHAPES)
    for index in range(12):
        sample = source.read(index)
        item = unpack(pack(sample, source.targets, None))
        assert same(decode(item.pop("image"), 3), sample["image"])
        assert item.keys() == set(source.targets)
        assert all(same(item[key], sample[key]) for key in item)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_pixels_without_a_file_lose_nothing(channels):
    image = np.random.default_rng(0).integers(0, 256, (7, 9, channels), np.uint8)
    assert same(decode(pack({"image": image}, (), None)["image"], channels), image)


def test_a_file_keeps_its_bytes_unless_its_source_does_more_than_decode():
    data = cv2.imencode(".jpg", np.full((8, 8, 3), 90, np.uint8))[1].tobytes()
    image = decode(data, 3)
    assert pack({"image": image}, (), data)["image"] == data
    assert same(decode(pack({"image": image[:, ::-1] // 2}, (), data)["image"], 3), image[:, ::-1] // 2)
