"""Images come out as they look, whatever their kind, and what is broken is named."""

from __future__ import annotations

import io
import os
import pickle
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from src.data.decode import Unreadable, decode
from src.errors import UserError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters() -> Image.Image:
    """32 x 48 (width x height): red, green above; blue, white below."""
    image = Image.new("RGB", (32, 48))
    for colour, corner in ((RED, (0, 0)), (GREEN, (16, 0)), (BLUE, (0, 24)), (WHITE, (16, 24))):
        image.paste(colour, (*corner, corner[0] + 16, corner[1] + 24))
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def corners(image: np.ndarray) -> list[tuple[int, ...]]:
    """Colours near the four corners: top left, top right, bottom left, bottom right."""
    return [tuple(int(value) for value in image[y, x]) for y in (4, -5) for x in (4, -5)]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "TIFF", "GIF", "WEBP"])
def test_colours_of_lossless_files_are_exact(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    image = decode(encoded(quarters(), kind, **options), 3)
    np.testing.assert_array_equal(image, np.asarray(quarters()))
    assert image.dtype == np.uint8
    assert image.flags.writeable
    assert image.flags.c_contiguous


def test_jpeg_equals_another_decoder() -> None:
    data = encoded(quarters(), "JPEG", quality=95, subsampling=0)
    reference = np.asarray(Image.open(io.BytesIO(data))).astype(int)
    assert np.abs(decode(data, 3).astype(int) - reference).max() <= 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_rotation_is_applied(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored so that a viewer turns it 90 degrees clockwise
    image = decode(encoded(quarters(), kind, exif=exif, quality=95), 3)
    assert image.shape == (32, 48, 3)
    expected = [BLUE, RED, WHITE, GREEN]
    assert np.abs(np.array(corners(image)) - np.array(expected)).max() <= 12


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_grayscale_becomes_three_equal_channels(kind: str) -> None:
    gray = Image.linear_gradient("L")
    image = decode(encoded(gray, kind, quality=100), 3)
    assert np.abs(image.astype(int) - np.asarray(gray)[:, :, None]).max() <= 1
    assert (image[..., 0] == image[..., 2]).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_one_channel_is_the_luminance(kind: str) -> None:
    image = decode(encoded(quarters(), kind, quality=95), 1)
    assert image.shape == (48, 32, 1)
    # ITU-R 601: 0.299 R + 0.587 G + 0.114 B
    assert np.abs(np.array(corners(image))[:, 0] - [76, 150, 29, 255]).max() <= 2


def test_palette_is_looked_up() -> None:
    assert corners(decode(encoded(quarters().quantize(4), "PNG"), 3)) == [RED, GREEN, BLUE, WHITE]


def test_transparency_lies_on_white() -> None:
    image = quarters().convert("RGBA")
    image.putpixel((4, 4), (255, 0, 0, 0))
    image.putpixel((27, 4), (0, 0, 0, 128))
    top_left, top_right, *_ = corners(decode(encoded(image, "PNG"), 3))
    assert top_left == WHITE
    assert top_right == (127, 127, 127)


def test_transparent_colour_of_a_palette_and_of_rgb_lies_on_white() -> None:
    palette = quarters().quantize(4)
    red = palette.getpixel((4, 4))
    assert corners(decode(encoded(palette, "PNG", transparency=red), 3)) == [WHITE, GREEN, BLUE, WHITE]
    assert corners(decode(encoded(quarters(), "PNG", transparency=BLUE), 3)) == [RED, GREEN, WHITE, WHITE]
    assert corners(decode(encoded(quarters().convert("LA"), "PNG"), 1))[0] == (76,)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_looks_like_its_rgb(kind: str) -> None:
    data = encoded(quarters().convert("CMYK"), kind, **({"quality": 95} if kind == "JPEG" else {}))
    image = decode(data, 3)
    assert np.abs(np.array(corners(image)) - np.array([RED, GREEN, BLUE, WHITE])).max() <= 12


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_gray_is_scaled_not_clipped(kind: str) -> None:
    values = np.array([[0, 128, 129], [257, 32896, 65535]], np.uint16)
    image = decode(encoded(Image.fromarray(values), kind), 1)[..., 0]
    np.testing.assert_array_equal(image, [[0, 0, 1], [1, 128, 255]])  # round(value / 257)


def test_sixteen_bit_colours_are_scaled() -> None:
    values = np.full((4, 4, 3), (65535, 32896, 0), np.uint16)  # R, G, B
    ok, png = cv2.imencode(".png", values[..., ::-1])
    assert ok
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric="rgb")
    for data in (png.tobytes(), file.getvalue()):
        assert tuple(decode(data, 3)[0, 0]) == (255, 128, 0)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_show_their_first_frame(kind: str) -> None:
    second = Image.new("RGB", (32, 48), "black")
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(quarters(), kind, save_all=True, append_images=[second], **options)
    assert corners(decode(data, 3)) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
def test_npy_of_any_supported_type_spans_0_to_255(dtype: str) -> None:
    top = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    array = np.zeros((2, 3, 5), dtype)
    array[0, 1, 4] = top
    image = decode(saved(array), 5)
    assert image.shape == (2, 3, 5)
    assert image.sum() == image[0, 1, 4] == 255


def test_npy_without_a_channel_axis_is_gray() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    np.testing.assert_array_equal(decode(saved(array), 1)[..., 0], array)
    np.testing.assert_array_equal(decode(saved(array), 3)[..., 2], array)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((4, 4), 3.0), "floats from 3 to 3"),
        (np.full((4, 4), np.nan), "must lie in"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.zeros((3, 64, 64), np.uint8), "looks like (C, H, W)"),
        (np.zeros((4, 4, 6), np.uint8), "6 channels"),
        (np.zeros(4, np.uint8), "shape (4,)"),
        (np.zeros((0, 4), np.uint8), "shape (0, 4, 1)"),
    ],
)
def test_npy_that_is_no_image_says_why(array: np.ndarray, words: str) -> None:
    with pytest.raises(Unreadable) as caught:
        decode(saved(array), 3)
    assert words in str(caught.value)


def test_npy_is_never_unpickled() -> None:
    with pytest.raises(Unreadable, match=r"damaged \.npy"):
        decode(saved(np.array([{"code": 1}], dtype=object)), 3)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tiff_of_many_bands(planar: str, dtype: str) -> None:
    bands = np.zeros((6, 16, 32), dtype)
    bands[5] = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    file = io.BytesIO()
    values = bands if planar == "separate" else np.moveaxis(bands, 0, -1)
    tifffile.imwrite(file, values, photometric="minisblack", planarconfig=planar, compression="zlib")
    image = decode(file.getvalue(), 6)
    assert image.shape == (16, 32, 6)
    assert (image[..., 5] == 255).all()
    assert not image[..., :5].any()
    with pytest.raises(Unreadable, match=r"6 channels where data\.source\.channels=3"):
        decode(file.getvalue(), 3)


def test_tiff_whose_pages_are_bands() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, np.arange(4, dtype=np.uint8)[:, None, None] * np.ones((4, 8, 9), np.uint8))
    assert decode(file.getvalue(), 4)[3, 3].tolist() == [0, 1, 2, 3]


def test_four_bands_of_a_png_are_given_as_stored() -> None:
    image = quarters().convert("RGBA")
    image.putalpha(7)
    assert decode(encoded(image, "PNG"), 4)[4, 4].tolist() == [255, 0, 0, 7]
    with pytest.raises(Unreadable, match=r"has 3 channels where data\.source\.channels=4"):
        decode(encoded(quarters(), "PNG"), 4)


def test_a_wrong_ending_does_no_harm(tmp_path: Path) -> None:
    for kind, name in (("PNG", "a.jpg"), ("JPEG", "b.png"), ("GIF", "c.tif"), ("TIFF", "d.npy")):
        (tmp_path / name).write_bytes(encoded(quarters(), kind))
        assert decode(tmp_path / name, 3).shape == (48, 32, 3)


def test_empty_missing_and_foreign_files_say_so(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "page.jpg").write_text("<!DOCTYPE html><title>404</title>")
    for name, words in (
        ("empty.jpg", "is empty (0 bytes)"),
        ("page.jpg", "begins with b'<!DOCTYPE ht'"),
        ("none.jpg", "No such file"),
    ):
        with pytest.raises(Unreadable) as caught:
            decode(tmp_path / name, 3)
        assert isinstance(caught.value, UserError)
        assert str(caught.value).startswith(f"{tmp_path / name} ")
        assert words in caught.value.reason
        assert caught.value.path == tmp_path / name


def noise(size: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8))


@pytest.mark.parametrize("kind", ["JPEG", "PROGRESSIVE", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "NPY"])
def test_every_truncation_is_found(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    if kind == "NPY":
        data = saved(np.asarray(noise()))
    else:
        data = encoded(
            noise(), kind.replace("PROGRESSIVE", "JPEG"), **({"progressive": True} if kind[:3] == "PRO" else {})
        )
    cuts = {1, 2, 3, 8, 40, *np.linspace(50, len(data) - 40, 40, dtype=int).tolist()}
    if kind in ("JPEG", "PROGRESSIVE", "PNG", "BMP", "PPM", "NPY"):
        cuts |= {len(data) - 20, len(data) - 2, len(data) - 1}
    for cut in sorted(cuts):
        with pytest.raises(Unreadable):
            decode(data[:cut], 3)
    assert capfd.readouterr().err == ""


def test_interrupted_download_of_reserved_length_is_found() -> None:
    for kind in ("JPEG", "PNG"):
        data = encoded(noise(), kind)
        half = len(data) // 2
        with pytest.raises(Unreadable):
            decode(data[:half] + bytes(len(data) - half), 3)


def test_flipped_bits_in_a_png_are_found() -> None:
    data = bytearray(encoded(noise(), "PNG"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(Unreadable, match=r"chunk IDAT at byte .* fails its checksum"):
        decode(bytes(data), 3)


def test_a_damaged_size_does_not_fill_the_memory() -> None:
    data = bytearray(encoded(noise(), "JPEG"))
    size = data.find(b"\xff\xc0") + 5  # height and width follow the marker, its length and the precision
    data[size : size + 4] = b"\xf0\0\xf0\0"
    with pytest.raises(Unreadable, match="exceeds the limit"):
        decode(bytes(data), 3)


def test_what_a_camera_appends_behind_the_end_does_no_harm() -> None:
    data = encoded(quarters(), "JPEG", quality=95)
    np.testing.assert_array_equal(decode(data + b"maker's note" * 50, 3), decode(data, 3))


def test_a_thumbnail_does_not_hide_a_truncation() -> None:
    exif = Image.Exif()
    exif[0x010E] = b"\xff\xd9 as in a thumbnail"
    data = encoded(noise(), "JPEG", exif=exif)
    assert data.find(b"\xff\xd9") < 100
    with pytest.raises(Unreadable):
        decode(data[: len(data) // 2], 3)


def test_unreadable_crosses_processes(tmp_path: Path) -> None:
    error = pickle.loads(pickle.dumps(Unreadable("is empty", tmp_path)))
    assert (error.reason, error.path, str(error)) == ("is empty", tmp_path, f"{tmp_path} is empty")


@pytest.mark.real
@pytest.mark.skipif("DATA_ROOT" not in os.environ, reason="DATA_ROOT is not set: needs imagenette2-160")
def test_checks_cost_little_beside_decoding() -> None:
    folder = Path(os.environ["DATA_ROOT"]) / "imagenette2-160/val/n03028079"
    files = [path.read_bytes() for path in sorted(folder.iterdir())[:200]]
    flags = cv2.IMREAD_COLOR_RGB

    def seconds(work) -> float:
        times = []
        for _ in range(5):
            start = time.process_time()
            for data in files:
                work(data)
            times.append(time.process_time() - start)
        return min(times)

    bare = seconds(lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), flags))
    assert seconds(lambda data: decode(data, 3)) < 1.3 * bare
