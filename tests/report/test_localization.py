"""The localizer's report: worst boxes first, both boxes drawn, figures per class."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from src.report.boxes import PREDICTED, TRUE, annotated, outlined
from src.report.localization import localization_sections
from src.report.numbers import MISSING
from tests.report.reading import words

CLASSES = ("nothing", "cat", "dog")
TRUE_BOXES = np.array([[0, 0, 0.5, 0.5], [0, 0, 1, 1], [0.5, 0.5, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]], np.float32)
BOXES = np.array(
    [[0, 0, 0.5, 1], [0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0.2, 0.2, 0.4, 0.4], [0.1, 0.1, 0.9, 0.9]], np.float32
)
LABELS = np.array([1, 1, 2, 0, 0])
PROBABILITIES = np.array(
    [[0.1, 0.8, 0.1], [0.1, 0.7, 0.2], [0.1, 0.6, 0.3], [0.9, 0.1, 0.0], [0.2, 0.1, 0.7]], np.float32
)


def sections(**changes):
    values = {
        "probabilities": PROBABILITIES, "labels": LABELS, "boxes": BOXES, "true_boxes": TRUE_BOXES,
        "mean_boxes": [[0.0] * 4, [0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 1.0, 1.0]],
    } | changes  # fmt: skip
    made = localization_sections(
        CLASSES,
        **values,
        images=lambda i: np.full((90, 120, 3), 40, np.uint8),
        paths=[f"{i}.jpg" for i in range(len(values["labels"]))],
        split="test",
    )
    return {section.title.partition(",")[0]: section.html for section in made}


def captions(html):
    return [words(re.sub("<[^>]*>", " ", one)) for one in re.findall(r"<figcaption>(.*?)</figcaption>", html)]


def test_boxes_are_ordered_by_how_badly_they_fit():
    """IoU: a quarter, a half, all; the images of nothing have no box to fit."""
    made = sections()
    assert captions(made["Worst boxes"]) == [
        "IoU 0.250 cat 70.0 % 1.jpg",
        "IoU 0.500 cat 80.0 % 0.jpg",
        "IoU 1.000 cat 60.0 % is dog 30.0 % 2.jpg",
    ]
    assert captions(made["Best boxes"])[0].startswith("IoU 1.000")


def test_figures_per_class_by_hand():
    """Right with a box of IoU 0.5 or more: of the cats one of two, no dog; of nothing one of two."""
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", sections()["Boxes"], re.DOTALL)
    assert [words(re.sub("<[^>]*>", " ", row)) for row in rows[:3]] == [
        f"nothing 0.500 0.500 {MISSING} {MISSING} 2",
        "cat 1.000 0.500 0.375 0.625 2",
        "dog 0.000 0.000 1.000 1.000 1",
    ]


def test_what_is_seen_where_nothing_is():
    assert captions(sections()["Wrong about nothing"]) == ["dog 70.0 % is nothing 20.0 % 4.jpg"]
    calm = PROBABILITIES.copy()
    calm[4] = [0.9, 0.1, 0]
    assert "Wrong about nothing" not in sections(probabilities=calm)


def test_data_without_mean_boxes_or_objects_have_a_report():
    assert "mean box" not in sections(mean_boxes=())["Boxes"]
    rest = {"labels": LABELS[3:], "probabilities": PROBABILITIES[3:], "boxes": BOXES[3:], "true_boxes": TRUE_BOXES[3:]}
    assert "No image shows an object" in sections(**rest)["Boxes"]


def test_both_boxes_are_drawn_in_their_colours():
    html = sections()["Worst boxes"]
    source = re.findall(r'src="data:image/\w+;base64,([^"]+)"', html)[1]
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))).convert("RGB")).astype(int)
    for colour in (PREDICTED, TRUE):
        assert (np.abs(image - colour).sum(-1) < 120).sum() > 50, colour


@pytest.mark.parametrize("shape", [(32, 32, 3), (64, 64, 1), (300, 500, 3)])
def test_a_frame_lies_on_its_edges(shape):
    drawn = outlined(np.zeros(shape, np.uint8), [([0.25, 0.25, 0.75, 0.75], TRUE)])
    rows, columns = np.nonzero((drawn == TRUE).all(-1))
    height, width = drawn.shape[:2]
    assert max(height, width) >= 192
    for low, high, side in ((rows.min(), rows.max(), height), (columns.min(), columns.max(), width)):
        assert abs(low - side / 4) <= 2
        assert abs(high - 3 * side / 4) <= 2


def test_words_stay_in_the_picture_wherever_the_box_is():
    for box in ([0, 0, 20, 20], [180, 0, 199, 99], [0, 95, 10, 99], None):
        drawn = annotated(np.zeros((100, 200, 3), np.uint8), box, "motorcycle 100%")
        assert drawn.shape == (100, 200, 3)
        columns = np.nonzero((drawn == PREDICTED).all(-1).any(0))[0]
        assert columns.max() - columns.min() > 60
