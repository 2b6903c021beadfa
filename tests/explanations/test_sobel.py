"""Sobel's filters, by hand."""

from __future__ import annotations

import numpy as np

from src.explanations.sobel import gray, sobel


def test_a_step_is_answered_by_four_times_its_height() -> None:
    """Across a step of 10 from one column to the next: (1 + 2 + 1) * 10 on both sides of it, nothing elsewhere."""
    step = np.zeros((4, 6), np.float32)
    step[:, 3:] = 10
    across, down = sobel(step)
    assert across.tolist() == [[0, 0, 40, 40, 0, 0]] * 4
    assert not down.any()
    turned_across, turned_down = sobel(step.T.copy())
    assert not turned_across.any()
    assert turned_down.tolist() == across.T.tolist()


def test_one_pixel_shows_the_filters_turned_around() -> None:
    """The filter slides over the image as it is written, so a single pixel shows it mirrored both ways."""
    dot = np.zeros((5, 5), np.float32)
    dot[2, 2] = 1
    across, down = sobel(dot)
    assert across[1:4, 1:4].tolist() == [[1, 0, -1], [2, 0, -2], [1, 0, -1]]
    assert down[1:4, 1:4].tolist() == [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]


def test_gray_is_the_luminance() -> None:
    assert gray(np.full((2, 2, 3), 77, np.uint8)).tolist() == [[77, 77]] * 2
    assert gray(np.array([[[5]]], np.uint8)).tolist() == [[5]]
