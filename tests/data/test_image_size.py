"""Sizes come from headers: the input size that suits a source, and one limit for images of every format."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from PIL import Image

from src.data.decode import Unreadable, decode
from src.data.image_headers import LARGEST, require_size
from src.data.image_size import image_size, suitable_size
from src.data.sources.folder import Folder
from src.data.sources.torchvision import MNIST


def of_sizes(root, sizes):
    for number, size in enumerate(sizes):
        (root / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        Image.new("L", size).save(root / "ab"[number % 2] / f"{number}.png")
    source = Folder(str(root), None, 1, "auto", "full")
    source.setup()
    return source


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(32, 32)] * 3, 32),
        ([(28, 28)] * 3, 28),
        ([(92, 112)] * 2, 92),
        ([(500, 375), (375, 500)], 224),
        ([(8, 8)] * 2, 28),
        ([(64, 90), (41, 80), (300, 50)], 52),  # shorter sides 64, 41, 50: the median is 50
    ],
)
def test_the_input_size_is_the_median_shorter_side(tmp_path, sizes, expected):
    size, reason = suitable_size(of_sizes(tmp_path, sizes))
    assert size == expected
    assert f"of {len(sizes)} of its images" in reason


def test_a_published_set_has_a_size_of_its_own(tmp_path):
    assert suitable_size(MNIST(str(tmp_path))) == (28, "the data set")


def test_damaged_images_do_not_count(tmp_path):
    source = of_sizes(tmp_path, [(40, 40), (40, 40), (60, 60)])
    (tmp_path / "a/0.png").write_bytes(b"none")
    assert suitable_size(source)[0] == 52  # of 40 and 60 the median is 50


def test_an_image_above_179_million_pixels_is_read_in_every_format(tmp_path):
    Image.fromarray(np.full((13600, 13600), 90, np.uint8)).save(tmp_path / "big.jpg")
    assert image_size(tmp_path / "big.jpg", 1) == (13600, 13600)
    reduced = decode(tmp_path / "big.jpg", 1, at_least=100)
    assert reduced.shape == (1700, 1700, 1)
    assert abs(int(reduced.mean()) - 90) <= 1


def test_one_limit_is_told_for_what_is_larger(tmp_path):
    header = bytearray(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (30000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0")
    (tmp_path / "huge.png").write_bytes(bytes(header) + zlib.crc32(header[12:]).to_bytes(4, "big") + bytes(40))
    assert LARGEST < 30000 * 30000
    for reader in (lambda path: image_size(path, 3), lambda path: decode(path, 3)):
        with pytest.raises(Unreadable, match="30000 x 30000 pixels, which exceeds the limit"):
            reader(tmp_path / "huge.png")


def test_bytes_that_cannot_hold_so_many_pixels_are_a_damage():
    require_size(13600, 13600, 2_000_000)
    with pytest.raises(ValueError, match="is damaged: 5000 bytes cannot hold"):
        require_size(20000, 20000, 5000)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
@pytest.mark.parametrize("exif", [None, 1, 6])
@pytest.mark.parametrize("options", [{}, {"progressive": True, "quality": 30}, {"icc_profile": bytes(70_000)}])
def test_the_size_from_a_header_is_that_of_the_decoded_image(tmp_path, kind, exif, options):
    turned = Image.Exif()
    turned[0x0112] = exif or 1
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a", kind, **options, **({"exif": turned} if exif and kind != "BMP" else {}))
    expected = (90, 60) if exif == 6 and kind != "BMP" else (60, 90)
    assert image_size(tmp_path / "a", 3) == expected == decode(tmp_path / "a", 3).shape[:2]


def test_exif_behind_the_pixels_of_a_png_turns_it_too(tmp_path):
    Image.fromarray(np.zeros((300, 200, 3), np.uint8)).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    exif = b"eXIf" + b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    chunk = (len(exif) - 4).to_bytes(4, "big") + exif + zlib.crc32(exif).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data[:-12] + chunk + data[-12:])
    assert image_size(tmp_path / "a.png", 3) == decode(tmp_path / "a.png", 3).shape[:2]


def test_a_file_of_nothing_but_a_beginning_has_no_size(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10")
    with pytest.raises(Unreadable):
        image_size(tmp_path / "a.jpg", 3)
