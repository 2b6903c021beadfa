"""Boxes that can hardly be meant as they are read make the source ask, with what to type."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from src.data.sources.boxes_csv import BoxesCsv
from src.errors import UserError
from tests.data.test_boxes_csv import OPTIONS

PIXELS = [(110, 30, 180, 90), (20, 10, 120, 60), (150, 60, 190, 95), (5, 40, 60, 80)]
"""Corners in pictures of 200 x 100."""


def written(form: str, units: str) -> list[tuple[float, ...]]:
    boxes = np.array(PIXELS, float)
    if form == "xywh":
        boxes[:, 2:] -= boxes[:, :2]
    return [tuple(row) for row in boxes / ([200, 100, 200, 100] if units == "relative" else 1)]


def opened(root, rows, **arguments) -> BoxesCsv:
    lines = ["image,label,x0,y0,x1,y1"]
    for number, row in enumerate(rows):
        Image.new("RGB", (200, 100)).save(root / f"{number}.png")
        lines.append(f"{number}.png,cat,{','.join(map(str, row))}")
    (root / "boxes.csv").write_text("\n".join(lines))
    source = BoxesCsv(str(root), **OPTIONS | arguments)
    source.setup()
    return source


@pytest.mark.parametrize(("form", "units"), [(f, u) for f in ("xyxy", "xywh") for u in ("pixels", "relative")])
def test_boxes_read_as_they_are_meant_raise_no_question(tmp_path, form, units):
    source = opened(tmp_path, written(form, units), box_format=form, box_units=units)
    assert (source.remarks, source.bad_rows) == ((), ())
    np.testing.assert_allclose([source.read(i)["boxes"][0] for i in range(4)], PIXELS, atol=1e-4)


@pytest.mark.parametrize("form", ["xyxy", "xywh"])
def test_relative_boxes_read_as_pixels_are_refused_with_the_key(tmp_path, form):
    with pytest.raises(
        UserError, match=r"no box reaches beyond the first pixel .* type data\.source\.box_units=relative"
    ):
        opened(tmp_path, written(form, "relative"), box_format=form)


def test_pixels_read_as_relative_are_told_with_the_key(tmp_path):
    with pytest.raises(UserError, match="4 of 4 boxes make no sense .* do with data.source.box_units=pixels") as told:  # noqa: RUF043
        opened(tmp_path, written("xyxy", "pixels"), box_units="relative")
    assert "no image with an object in a box is left" in str(told.value)


def test_corner_and_size_read_as_two_corners_are_told_with_the_key(tmp_path):
    """110, 30, 70, 60 runs backwards, and so does 150, 60, 40, 35; 5, 40, 55, 40 has no height."""
    source = opened(tmp_path, written("xywh", "pixels"))
    assert len(source.bad_rows) == 3
    (remark,) = source.remarks
    assert remark.startswith("3 of 4 boxes make no sense as data.source.box_format=xyxy")
    assert remark.endswith("all of them do with data.source.box_format=xywh: is that meant?")


def test_two_corners_read_as_corner_and_size_are_told_with_the_key(tmp_path):
    with pytest.raises(UserError, match=r"all of them do with data\.source\.box_format=xyxy"):
        opened(tmp_path, [PIXELS[0], PIXELS[2]], box_format="xywh")


def test_a_few_wrong_boxes_raise_no_question(tmp_path):
    source = opened(tmp_path, [*PIXELS * 3, (50, 50, 40, 40)])
    assert len(source.bad_rows) == 1
    assert source.remarks == ()


def test_boxes_below_two_pixels_are_asked_about(tmp_path):
    (remark,) = opened(tmp_path, [*PIXELS, (0.1, 0.2, 0.6, 0.7)]).remarks
    assert remark.startswith("1 of 5 boxes are less than two pixels wide and high, such as (0.1, 0.2, 0.6, 0.7)")


def test_boxes_all_in_one_corner_are_asked_about(tmp_path):
    (remark,) = opened(tmp_path, [(2 + n, 3, 30 + n, 20) for n in range(8)]).remarks
    assert remark.startswith("all 8 boxes lie in the upper left 20% of their images")
    assert opened(tmp_path, [*((2 + n, 3, 30 + n, 20) for n in range(8)), (100, 50, 150, 90)]).remarks == ()
