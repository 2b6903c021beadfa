"""The way back from what a network saw to an image's own pixels, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from src.data.crop import CropBox, central_crop, cut
from src.data.view import View


def test_a_box_in_the_central_square_of_a_wide_image():
    view = View(100, 300, CropBox(0, 100, 100, 100))
    assert view.boxes_in_image(np.array([[0.25, 0.5, 0.75, 1.0]])).tolist() == [[125, 50, 175, 100]]


def test_a_box_beyond_the_image_is_clipped_to_it():
    view = View(10, 20, CropBox(0, 0, 10, 20))
    assert view.boxes_in_image(np.array([[-0.5, 0.1, 1.5, 0.9]])).tolist() == [[0, 1, 20, 9]]


def test_a_box_in_an_image_that_was_made_smaller_first():
    """400 x 600, brought to 40 x 60 and seen through its central square of 40."""
    view = View(400, 600, CropBox(0, 10, 40, 40), working=(40, 60))
    assert view.boxes_in_image(np.array([[0.25, 0.5, 0.75, 1.0]])).tolist() == [[200, 200, 400, 400]]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("upside_down", [False, True])
def test_it_undoes_the_cut(mirrored, upside_down):
    box = central_crop(60, 90, 32, 0.875)
    crop = CropBox(box.top, box.left, box.height, box.width, mirrored, upside_down)
    place = np.array([30, 20, 50, 40]) / [90, 60, 90, 60]
    sample = cut({"image": np.zeros((60, 90, 3), np.uint8), "box": place.astype(np.float32)}, crop, 32)
    assert View(60, 90, crop).boxes_in_image(sample["box"][None])[0] == pytest.approx([30, 20, 50, 40], abs=1e-4)
