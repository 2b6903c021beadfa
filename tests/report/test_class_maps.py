"""The picture of a map of class scores."""

from __future__ import annotations

import numpy as np

from src.report.class_maps import GAP, OTHERS, SIDE, TONES, picture_of_map


def test_places_colour_the_middle_of_their_windows() -> None:
    """Two windows of half the image's width, a quarter apart: their middles reach from 1/8 to 5/8."""
    probabilities = np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 0.0]]])
    picture = picture_of_map(
        np.full((48, 48, 3), 200, np.uint8),
        probabilities,
        ["one", "two", "three"],
        begin=(0.0, 0.0),
        starts=(1.0, 0.25),
        window=(1.0, 0.5),
        words="",
    )
    right = picture[SIDE // 2, SIDE + GAP :]
    mixed = [np.rint(200 * 0.35 + np.array(tone) * 0.65) for tone in TONES[:2]]
    eighth = SIDE // 8
    assert right[eighth - 2].tolist() == [90, 90, 90]  # 200 * 0.45: no window's middle is here
    np.testing.assert_allclose(right[eighth + 2], mixed[0], atol=1)
    np.testing.assert_allclose(right[3 * eighth + 2], mixed[1], atol=1)
    assert right[5 * eighth + 2].tolist() == [90, 90, 90]


def test_a_first_window_that_begins_before_the_image_colours_less_of_it() -> None:
    """The windows of before, begun an eighth earlier: the first colours from 0 to 1/4, the second from there to 1/2."""
    picture = picture_of_map(
        np.full((48, 48, 3), 200, np.uint8),
        np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 0.0]]]),
        ["one", "two", "three"],
        begin=(0.0, -0.125),
        starts=(1.0, 0.25),
        window=(1.0, 0.5),
        words="",
    )
    right = picture[SIDE // 2, SIDE + GAP :]
    mixed = [np.rint(200 * 0.35 + np.array(tone) * 0.65) for tone in TONES[:2]]
    quarter = SIDE // 4
    np.testing.assert_allclose(right[[2, quarter - 3]], [mixed[0]] * 2, atol=1)
    np.testing.assert_allclose(right[[quarter + 2, 2 * quarter - 3]], [mixed[1]] * 2, atol=1)
    assert right[2 * quarter + 2].tolist() == [90, 90, 90]


def test_where_several_can_be_there_none_may_be() -> None:
    probabilities = np.array([[[0.2, 0.9]], [[0.4, 0.1]]])
    picture = picture_of_map(
        np.full((48, 48, 3), 200, np.uint8),
        probabilities,
        ["one", "two"],
        begin=(0.0, 0.0),
        starts=(1.0, 0.5),
        window=(1.0, 0.5),
        words="",
        several=True,
    )
    right = picture[SIDE // 2, SIDE + GAP :]
    assert right[SIDE // 4].tolist() == [200, 200, 200]
    assert len(set(right[3 * SIDE // 4].tolist())) > 1
    colours = {tuple(pixel) for pixel in picture[SIDE:].reshape(-1, 3).tolist()}
    assert TONES[0] in colours  # the legend has the one class that is there, and no others
    assert TONES[1] not in colours
    assert OTHERS not in colours
