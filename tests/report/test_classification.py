import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from src.answers import SIDE
from src.report.classification import MAX_CELLS, MAX_MISTAKES, classification_sections
from src.report.pictures import data_url
from tests.report.reading import Page, words

TIMES = "\N{MULTIPLICATION SIGN}"


def picture(index):
    return np.full((80, 120, 3), index % 256, np.uint8)


def sections(probabilities, labels, classes=("cat", "dog"), images=picture, paths=None):
    probabilities, labels = np.asarray(probabilities, np.float32), np.asarray(labels)
    paths = paths or [f"val/{i}.jpg" for i in range(len(labels))]
    made = classification_sections(classes, probabilities, labels, images, paths, "val")
    return {section.title.partition(",")[0]: section.html for section in made}


def captions(html):
    return [
        " ".join(re.sub("<[^>]*>", " ", one).split()) for one in re.findall(r"<figcaption>(.*?)</figcaption>", html)
    ]


def test_confusion_matrix_shows_counts_and_shares_of_rows():
    html = sections([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6], [0.6, 0.4]], [0, 0, 0, 0, 1])["Confusion matrix"]
    cells = [words(cell.replace("<small>", " <small>")) for cell in re.findall(r"<td.*?</td>", html)]
    assert cells == ["3 75.0 %", "1 25.0 %", "1 100 %", ""]
    assert "3 of 5 right (60.0 %)" in words(html)


def test_most_confused_pairs_come_first():
    probabilities = np.eye(3)[[1, 1, 2, 0, 2]]
    html = sections(probabilities, [0, 0, 0, 1, 2], "abc")["Confusion matrix"]
    pairs = [words(line) for line in re.findall(r"<li>.*?</li>", html)]
    assert pairs == [
        f"a taken for b 2{TIMES}, 66.7 %",
        f"a taken for c 1{TIMES}, 33.3 %",
        f"b taken for a 1{TIMES}, 100 %",
    ]


def test_worst_mistakes_are_those_with_the_least_probability_on_the_truth():
    html = sections([[0.1, 0.9], [0.8, 0.2], [0.02, 0.98], [0.55, 0.45]], [0, 0, 0, 1])["Worst mistakes"]
    assert captions(html) == [
        "dog 98.0 % is cat 2.0 % val/2.jpg",
        "dog 90.0 % is cat 10.0 % val/0.jpg",
        "cat 55.0 % is dog 45.0 % val/3.jpg",
    ]


def test_only_pictures_that_are_shown_are_read():
    asked = []

    def images(index):
        asked.append(index)
        return picture(index)

    rng = np.random.default_rng(0)
    sections(rng.dirichlet([1, 1], 1000), rng.integers(0, 2, 1000), images=images)
    assert len(asked) == MAX_MISTAKES + 2  # and the surest right answer of each class


def test_right_answers_show_the_surest_of_each_class():
    html = sections([[0.7, 0.3], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9]], [0, 0, 1, 0])["Surest right answers"]
    assert captions(html) == ["cat 90.0 % val/1.jpg", "dog 80.0 % val/2.jpg"]


def test_several_labels_have_average_precision_in_place_of_a_confusion_matrix():
    probabilities, labels = [[0.9, 0.2], [0.8, 0.6], [0.3, 0.1]], [[1, 0], [0, 1], [1, 0]]
    made = sections(probabilities, labels)
    assert list(made) == ["Classes", "Worst mistakes"]
    # cat: ranks 1 and 3 are right, so 1/2 + 1/2 * 2/3; chosen at 0.9 and 0.8, of which one is right
    row = re.search(r"cat</th>(.*?)</tr>", made["Classes"], re.DOTALL).group(1)
    assert re.findall(r">([\d.]+)</td>", row) == ["0.500", "0.500", "0.500", "0.833", "2"]
    assert captions(made["Worst mistakes"]) == [
        "cat 80.0 % is dog val/1.jpg",
        "misses cat 30.0 % is cat val/2.jpg",
    ]


@pytest.mark.parametrize("several", [False, True])
def test_no_samples_and_undefined_probabilities_still_make_a_page(several):
    for probabilities in (np.zeros((0, 2)), np.full((3, 2), np.nan)):
        count = len(probabilities)
        for html in sections(probabilities, np.ones((count, 2) if several else count, np.int64)).values():
            assert Page(html).unclosed == []


def test_many_classes_make_a_picture_of_bounded_size():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 200, 40_000)
    html = sections(np.eye(200)[rng.integers(0, 200, 40_000)], labels, [f"class {k}" for k in range(200)])[
        "Confusion matrix"
    ]
    (svg,) = Page(html).all("svg")
    assert "200 classes" in svg["aria-label"]
    assert len(Page(html).all("rect")) == MAX_CELLS + 1
    assert "<title>class " in html
    assert len(html) < 2_000_000


def test_names_and_paths_cannot_break_the_page():
    evil = '"><script>alert(1)</script>'
    made = sections(np.eye(2)[[0, 1, 0]], [0, 1, 1], ("<b>", evil), paths=[evil, "it's", "<img src=x>"])
    for html in made.values():
        page = Page(html)
        assert page.unclosed == []
        assert not page.all("script")
        assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    (mistake,) = Page(made["Worst mistakes"]).all("img")
    assert " ".join(mistake["alt"].split()) == f"<img src=x>: <b> 100 %, is {evil} 0 %"


@pytest.mark.parametrize(
    ("shape", "kind", "mode", "size"),
    [
        ((28, 28, 1), "png", "L", (28, 28)),
        ((64, 48, 3), "png", "RGB", (48, 64)),
        ((300, 600, 3), "jpeg", "RGB", (SIDE, SIDE // 2)),
        ((50, 200, 2), "jpeg", "L", (200, 50)),
        ((100, 100, 12), "jpeg", "RGB", (100, 100)),
    ],
)
def test_pictures_of_any_channels_become_small_ones(shape, kind, mode, size):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    head, _, body = data_url(image).partition(",")
    assert head == f"data:image/{kind};base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as read:
        assert (read.mode, read.size) == (mode, size)
        if kind == "png":
            assert np.array_equal(np.asarray(read), image.squeeze(-1) if mode == "L" else image)


def test_a_picture_without_loss_shows_the_first_three_of_many_channels():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 5), np.uint8)
    assert data_url(image) == data_url(image[..., :3])
