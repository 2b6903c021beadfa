"""The report of verification says what the numbers say, and shows only the pictures that it must read."""

from __future__ import annotations

import re

import numpy as np
import pytest

from src.report.charts import Series, line_chart, scatter_chart
from src.report.verification import GAP, Shown, principal_components, verification_sections
from tests.report.reading import Page, words

BINS = 200


def shown(**changes):
    distances = (np.arange(BINS) + 0.5) / 100
    values = {
        "false_accepts": np.array([0.0, 0.0, 0.001, 0.01, 0.2, 1.0]),
        "true_accepts": np.array([0.0, 0.4, 0.5, 0.7, 0.9, 1.0]),
        "roc_auc": 0.9376,
        "distances": distances,
        "same": np.where(distances < 0.5, 2.0, 0.0),
        "different": np.where(distances > 1.0, 3.0, 0.0),
        "threshold": 0.75,
        "nearest_different": [(0, 2, 0.5), (1, 3, 1.25)],
        "farthest_same": [(0, 1, 0.9)],
        "embeddings": np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32),
        "identities": ["ann", "ann", "bo", "bo"],
        "image": lambda i: np.full((8, 6, 1), i, np.uint8),
        "paths": ["ann/1.png", "ann/2.png", "bo/1.png", "bo/2.png"],
    }
    return Shown(**values | changes)


def sections(**changes):
    return {s.title.partition(",")[0]: s.html for s in verification_sections(shown(**changes), "test")}


def test_the_curves_say_area_accepts_means_and_threshold():
    text = words(sections()["Same or different"])
    assert "area 0.9376" in text
    assert "0.5 at 0.001, 0.7 at 0.01" in text
    assert "same, mean 0.25" in text
    assert "different, mean 1.5" in text
    assert "threshold 0.75" in text


def test_a_curve_of_many_corners_is_drawn_to_its_end():
    false = np.concatenate([np.repeat(np.linspace(0, 0.3, 3000), 2), [1.0]])
    true = np.concatenate([[0.0], np.repeat(np.linspace(0.001, 1, 3000), 2)])
    path = re.search(
        r'class="line t0" d="(.*?)"', sections(false_accepts=false, true_accepts=true)["Same or different"]
    )
    last = path.group(1).rpartition("L")[2]
    assert last == "352.0 7.0"  # the upper right corner of the plot


def test_hardest_pairs_are_side_by_side_with_their_answer():
    made = sections()
    nearest = words(str(made["Nearest of different identities"]))
    assert "same, wrong0.5" in nearest
    assert "different1.25" in nearest
    assert "different, wrong0.9" in words(str(made["Farthest of the same identity"]))
    assert "ann/1.png | bo/1.png" in nearest


def test_a_pair_is_one_picture_of_both():
    import base64
    import io

    from PIL import Image

    (source,) = [image["src"] for image in Page(sections()["Farthest of the same identity"]).all("img")]
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (8, 12 + GAP)
    assert pixels[0].tolist() == [0] * 6 + [255] * GAP + [1] * 6


def test_every_point_of_the_embedding_is_named():
    html = sections()["Embedding"]
    titles = re.findall(r"<title>(.*?)</title>", html)
    assert titles == ["ann: ann/1.png", "ann: ann/2.png", "bo: bo/1.png", "bo: bo/2.png"]
    assert [words(name) for name in re.findall(r'<text class="name".*?</text>', html)] == ["ann", "bo"]


def test_principal_components_are_those_of_the_singular_values():
    points = np.random.default_rng(1).normal(size=(30, 5)) * [3, 1, 0.5, 0.2, 0.1]
    found, share = principal_components(points)
    left, values, right = np.linalg.svd(points - points.mean(0), full_matrices=False)
    assert np.abs(found) == pytest.approx(np.abs(left[:, :2] * values[:2]), abs=1e-9)
    assert share == pytest.approx((values[:2] ** 2).sum() / (values**2).sum())
    weights = np.linalg.lstsq(points - points.mean(0), found, rcond=None)[0]
    largest = weights[np.abs(weights).argmax(0), [0, 1]]
    assert (largest > 0).all()
    np.testing.assert_allclose(principal_components(points.copy())[0], found)
    assert np.abs(right).shape == (5, 5)


def test_degenerate_embeddings_still_make_a_page():
    for embeddings in (np.ones((4, 3), np.float32), np.ones((4, 1), np.float32)):
        for html in sections(embeddings=embeddings, threshold=float("nan")).values():
            assert Page(html).unclosed == []


def test_names_cannot_break_the_page():
    evil = '"><script>alert(1)</script>'
    for html in sections(identities=[evil] * 4, paths=[evil] * 4).values():
        page = Page(html)
        assert page.unclosed == []
        assert not page.all("script")


def test_a_legend_may_say_something_else_than_the_last_value():
    html = line_chart("ROC", [Series("area", [0, 1], [0, 1], figure="0.93")], "x")
    assert "area 0.93" in words(html)
    (svg,) = Page(html).all("svg")
    assert " ".join(svg["aria-label"].split()) == "ROC by x: area 0.93"


def test_a_scatter_keeps_its_proportions():
    html = scatter_chart("E", [("a", np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 1.0]]), ["1", "2", "3"])], "x")
    first, second, third = [(float(c["cx"]), float(c["cy"])) for c in Page(html).all("circle")]
    assert second[0] - first[0] == pytest.approx(4 * (first[1] - third[1]), abs=0.5)  # y points upwards
    assert scatter_chart("E", [], "x") == ""
