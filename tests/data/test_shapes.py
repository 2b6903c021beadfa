"""What `Shapes` draws is what it says it drew, is told apart by kind alone, and never changes."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from src.data.sources.kinds import KINDS, LANDMARKS
from src.data.sources.shapes import Shapes


def shapes(**changes) -> Shapes:
    base = {"size": 64, "train": 300, "val": 20, "test": 30, "identities": 42, "max_objects": 1, "nothing": 0.1}
    return Shapes(**base | {"seed": 0} | changes)


@pytest.fixture(scope="module", params=[1, 6], ids=["one object", "several objects"])
def samples(request):
    source = shapes(max_objects=request.param)
    return source, [source.read(index) for index in range(300)]


def test_every_target_has_the_form_of_the_contract(samples):
    source, drawn = samples
    for sample in drawn:
        assert set(sample) == {"image", "index", "path", *source.targets}
        assert (sample["image"].shape, sample["image"].dtype) == ((64, 64, 3), np.uint8)
        n = len(sample["labels"])
        forms = {
            "box": ((4,), np.float32), "boxes": ((n, 4), np.float32), "labels": ((n,), np.int64),
            "mask": ((64, 64), np.int64), "masks": ((n, 64, 64), np.uint8),
            "keypoints": ((5, 2), np.float32), "visible": ((5,), np.bool_),
        }  # fmt: skip
        assert {key: (sample[key].shape, sample[key].dtype) for key in forms} == forms


def test_boxes_masks_classes_and_points_agree(samples):
    _, drawn = samples
    for sample in drawn:
        classes = np.zeros((64, 64), np.int64)
        for box, label, mask in zip(sample["boxes"], sample["labels"], sample["masks"], strict=True):
            rows, columns = np.nonzero(mask)
            assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert not classes[mask > 0].any()  # no pixel has two owners
            classes[mask > 0] = label
        assert (sample["mask"] == classes).all()
        if sample["label"]:
            pixels = sample["keypoints"] * 64
            left, top, right, bottom = sample["boxes"][0]
            # A star's tip covers less than half of its last pixels, which are then not the star's.
            assert (pixels >= np.array([left, top]) - 2).all()
            assert (pixels <= np.array([right, bottom]) + 2).all()


def test_the_single_targets_are_those_of_the_largest_object(samples):
    _, drawn = samples
    for sample in drawn:
        if not sample["label"]:
            continue
        areas = sample["masks"].sum((1, 2))
        assert areas.argmax() == 0
        assert sample["label"] == sample["labels"][0] == 1 + sample["identity"] % 7
        np.testing.assert_allclose(sample["box"] * 64, sample["boxes"][0], atol=1e-4)
        assert sample["visible"].all()


def test_a_picture_of_nothing_says_so_everywhere(samples):
    _, drawn = samples
    empty = [sample for sample in drawn if sample["label"] == 0]
    assert len(empty) == pytest.approx(30, abs=2)
    for sample in empty:
        assert sample["identity"] == -1
        assert len(sample["boxes"]) == len(sample["labels"]) == len(sample["masks"]) == 0
        assert not sample["mask"].any()
        assert not sample["visible"].any()


def test_landmarks_lie_where_they_are_called():
    """Of the largest object: the top above the centre, the right to its right, and the middle where the disc's is."""
    source = shapes()
    for index in range(300):
        sample = source.read(index)
        centre, top, right, bottom, left = sample["keypoints"]
        if sample["label"] == 0:
            continue
        assert top[1] < centre[1] < bottom[1]
        assert left[0] < centre[0] < right[0]
        if source.classes[sample["label"]] in ("disc", "square", "cross"):
            rows, columns = np.nonzero(sample["masks"][0])
            np.testing.assert_allclose(centre * 64 - 0.5, [columns.mean(), rows.mean()], atol=0.7)


def test_outlines_by_hand():
    kinds = {kind.name: kind for kind in KINDS}
    assert kinds["square"].area == 4
    assert kinds["cross"].area == pytest.approx(2 * (2 * 0.56) - 0.56**2)  # two bars less what they share
    assert kinds["disc"].area == pytest.approx(np.pi, rel=0.01)
    assert kinds["ring"].area == pytest.approx(np.pi * (1 - 0.55**2), rel=0.01)
    names = dict(zip(LANDMARKS, kinds["triangle"].landmarks.tolist(), strict=True))
    assert names == {"centre": [0, 0], "top": [0, -0.85], "right": [1, 0.85], "bottom": [0, 0.85], "left": [-1, 0.85]}


def test_all_kinds_are_of_one_size():
    """Else the number of coloured pixels would tell the kind."""
    source = shapes(train=2000)
    areas = [[] for _ in source.classes]
    for index in range(700):
        sample = source.read(index)
        areas[sample["label"]].append(sample["mask"].astype(bool).sum())
    means = np.array([np.mean(area) for area in areas[1:]])
    # The mean square of 0.36 to 0.46; an outline that is filled takes half a pixel of its four-fold grid with it.
    assert means == pytest.approx((0.46**3 - 0.36**3) / 3 / 0.1 * 64**2, rel=0.08)
    assert means.max() / means.min() < 1.05


def test_a_picture_depends_on_seed_split_and_number_alone():
    short, long = shapes(train=50), shapes(train=300)
    assert short.fingerprint(7) == long.fingerprint(7)
    assert short.fingerprint(50) == long.fingerprint(300)  # the first of val
    assert short.fingerprint(7) != short.fingerprint(57)  # number 7 of train and of val
    assert short.fingerprint(7) != shapes(seed=1).fingerprint(7)
    order = [long.read(index)["image"] for index in (3, 2, 1)]
    assert all(
        (a == b).all() for a, b in zip(order[::-1], [long.read(index)["image"] for index in (1, 2, 3)], strict=True)
    )


def test_the_same_scene_is_drawn_at_any_size():
    small, large = shapes(size=32), shapes(size=128)
    for index in range(40):
        np.testing.assert_allclose(small.read(index)["keypoints"], large.read(index)["keypoints"])
        np.testing.assert_allclose(small.read(index)["box"], large.read(index)["box"], atol=1.5 / 32)


@pytest.mark.parametrize("max_objects", [1, 4])
def test_labels_are_known_without_drawing(max_objects):
    source = shapes(max_objects=max_objects)
    assert len(source) == len(source.labels()) == 350
    assert source.labels().tolist() == [source.read(index)["label"] for index in range(350)]


def test_every_class_and_individual_has_its_share_of_every_split():
    source = shapes(train=840, val=84, test=84, nothing=0.0)
    identities = np.array([source.read(index)["identity"] for index in range(924)])
    for split, each in (("train", 20), ("val", 2)):
        counts = np.bincount(identities[source.splits()[split]], minlength=42)
        assert (np.abs(counts - each) <= 2).all()
    assert [list(indices[[0, -1]]) for indices in source.splits().values()] == [[0, 839], [840, 923], [924, 1007]]


def test_linear_classifiers_on_pixels_and_on_colours_stay_below_a_half():
    """An image is hard where neither templates nor colours tell what it shows."""
    source = shapes(train=2000, test=600)
    train, test = source.splits()["train"], source.splits()["test"]
    images = {int(index): source.read(index)["image"] for index in (*train, *test)}

    def pixels(index: int) -> np.ndarray:
        return images[int(index)][::2, ::2].reshape(-1) / 255

    def colours(index: int) -> np.ndarray:
        return np.bincount((images[int(index)] // 64).reshape(-1, 3) @ [16, 4, 1], minlength=64) / 64**2

    for features in (pixels, colours):
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=100))
        classifier.fit([features(index) for index in train], source.labels()[train])
        accuracy = classifier.score([features(index) for index in test], source.labels()[test])
        assert accuracy < 0.5, f"{features.__name__}: {accuracy}"


def test_drawing_is_quick_enough_to_be_no_bottleneck():
    source = shapes()
    source.fingerprint(0)
    start = time.process_time()
    for index in range(200):
        source.fingerprint(index)
    assert (time.process_time() - start) / 200 < 1.5e-3  # 0.4 ms where nothing else runs


def test_a_picture_that_does_not_exist_is_an_index_error():
    with pytest.raises(IndexError, match="350"):
        shapes().read(350)
