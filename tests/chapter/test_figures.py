"""The chapter's identities, and its figures as files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from src.chapter.convolution import (
    SOBEL_X,
    SOBEL_Y,
    convolution,
    cross_correlation,
    dense_parameters,
    padded,
    polynomial,
    pooled,
    sum_of_both,
    toeplitz,
)
from src.chapter.figures import FIGURES, IMAGE, KERNEL
from src.chapter.writing import heading, write_figure
from src.errors import UserError
from src.explanations.sobel import sobel

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (3, 2)])
def test_cross_correlation_is_torchs_convolution_of_volumes(stride: int, dilation: int) -> None:
    image, kernel = RANDOM.normal(size=(3, 11, 9)), RANDOM.normal(size=(3, 3, 2))
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(image)[None], torch.from_numpy(kernel)[None], stride=stride, dilation=dilation
    )
    np.testing.assert_allclose(cross_correlation(image, kernel, stride, dilation), expected[0, 0].numpy())


def test_convolution_is_commutative_and_turns_the_filter() -> None:
    small = np.pad(KERNEL, 4)  # so that everything of both is seen
    np.testing.assert_allclose(convolution(np.pad(IMAGE, 2), KERNEL), convolution(small, IMAGE))
    np.testing.assert_allclose(convolution(IMAGE, KERNEL), cross_correlation(IMAGE, np.rot90(KERNEL, 2)))


def test_sobel_by_hand() -> None:
    """A step of 1 from left to right is 1 + 2 + 1 where the filter stands on it."""
    step = np.array([[0.0, 0, 1, 1]] * 3)
    assert cross_correlation(step, SOBEL_X).tolist() == [[4, 4]]
    assert cross_correlation(step, SOBEL_Y).tolist() == [[0, 0]]


def test_figure_6_1_and_the_method_sobel_show_the_same() -> None:
    """Inside the border, of which only the method has an answer; and the sum is of magnitudes, |-1| + |7| = 8."""
    assert sum_of_both(np.array([-1.0]), np.array([7.0])).tolist() == [8]
    image, _, across, _, down, both = FIGURES["6.1"](None).panels
    found = sobel(np.asarray(image.values, np.float32))
    for panel, part in zip((across, down, both), (*found, sum_of_both(*found)), strict=True):
        np.testing.assert_allclose(panel.values, part[1:-1, 1:-1], rtol=1e-5, atol=1e-3)


def test_an_equation_is_not_called_a_figure(tmp_path: Path) -> None:
    write_figure("6.14", image=None, output=str(tmp_path / "a.png"))
    assert (
        json.loads((tmp_path / "a.json").read_text())["title"] == "Equation (6.14): Convolution and cross-correlation"
    )
    assert heading("6.3") == "Figure 6.3"
    assert len(set(FIGURES.values())) == len(FIGURES)  # none under two numbers


def test_a_toeplitz_matrix_multiplies_polynomials() -> None:
    signal, kernel = RANDOM.normal(size=6), RANDOM.normal(size=3)
    np.testing.assert_allclose(toeplitz(kernel, 6) @ signal, np.convolve(signal, kernel))  # numpy: the coefficients
    assert polynomial(np.array([1.0, 2, 0, -3])) == "1 + 2x - 3x^3"
    assert polynomial(np.array([0.0, 1, -1, 1])) == "x - 1x^2 + x^3"


def test_where_the_image_shifts_the_answer_shifts() -> None:
    image = np.zeros((12, 12))
    image[2:5, 2:5] = RANDOM.normal(size=(3, 3))
    answer = cross_correlation(image, KERNEL)
    shifted = cross_correlation(np.roll(image, (3, 4), axis=(0, 1)), KERNEL)
    np.testing.assert_allclose(shifted, np.roll(answer, (3, 4), axis=(0, 1)))


def test_pooling_by_hand() -> None:
    image = np.array([[1.0, 3, 2, 1], [4, 2, 0, 5]])
    assert pooled(image, 2, "max").tolist() == [[4, 5]]
    assert pooled(image, 2, "average").tolist() == [[2.5, 2]]


def test_padding_keeps_the_size() -> None:
    assert cross_correlation(padded(IMAGE, 1, 1), KERNEL).shape == IMAGE.shape


def test_the_chapters_count_of_a_dense_layer() -> None:
    assert dense_parameters(224 * 224, 222 * 222) == 2_472_923_268


@pytest.mark.parametrize("number", FIGURES)
def test_each_figure_is_a_picture_with_its_numbers_and_the_same_bytes(number: str, tmp_path: Path) -> None:
    path = write_figure(number, image=None, output=str(tmp_path / "a.png"))
    again = write_figure(number, image=None, output=str(tmp_path / "b.png"))
    assert path.read_bytes() == again.read_bytes()
    with Image.open(path) as picture:
        assert min(picture.size) > 200
    numbers = json.loads((tmp_path / "a.json").read_text())
    assert numbers["figure"] == number
    assert len(numbers) > 3


def test_figure_6_13_corrects_the_text() -> None:
    figure = FIGURES["6.13"](None)
    assert figure.numbers["sum"] == 256
    assert "would make 416: it must be 32" in figure.caption
    # GoogLeNet's module 3a has 159 thousand weights (Szegedy et al. 2015, Table 1); here with a bias for each map
    assert sum(figure.numbers["parameters"]) == 163_328 + 64 + 96 + 128 + 16 + 32 + 32
    assert figure.numbers["reduction"] == 4_104


def test_figure_6_8_spreads_the_filter() -> None:
    numbers = FIGURES["6.8"](None).numbers
    np.testing.assert_allclose(numbers["answer"], numbers["spread"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["6.5"], "no such figure"),
        (["6.12"], "method=deconvnet"),
        (["6.15"], "pipelines.report"),
        (["6.4", "image=x.png"], "only 6.1 takes a photograph"),
        (["6.1", "outptu=x.png"], "outptu: unknown"),
        (["6.1", "output=x.pdf"], "is written as .png"),
        (["6.1", "image=nowhere.png"], "cannot be read"),
    ],
)
def test_mistakes_are_told(words: list[str], message: str, tmp_path: Path) -> None:
    from src.figures import main

    with pytest.raises(UserError, match=message):
        main(words)


def test_the_command_names_what_it_wrote(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "src.figures", "6.11", f"output={tmp_path / 'pooling.png'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(tmp_path / "pooling.json"), str(tmp_path / "pooling.png")]
    refused = subprocess.run([*command[:3], "7.1"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Traceback" not in refused.stderr
