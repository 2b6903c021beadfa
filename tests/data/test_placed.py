"""Boxes, points and masks go where albumentations moves the pixels."""

import albumentations as A
import numpy as np
import pytest

from src.data.augmentation import Augmentation
from src.data.sources.shapes import Shapes

OFF = {
    "crop_scale": None, "crop_ratio": (0.75, 4 / 3), "horizontal_flip": 0.0, "vertical_flip": 0.0, "mixup": 0.0,
    "cutmix": 0.0, "lost_object": "nothing", "min_box_share": 1e-6,
}  # fmt: skip


def drawn(index, max_objects=3):
    size = {"size": 64, "train": 50, "val": 1, "test": 1}
    return Shapes(**size, identities=42, max_objects=max_objects, nothing=0.2, seed=0).read(index)


def through(sample, transform):
    return Augmentation(**OFF, transforms={"it": transform}).train(sample, 64, 1.0, seed=0, epoch=0)


def types(sample):
    return {key: getattr(value, "dtype", type(value)) for key, value in sample.items()}


def test_a_flip_of_albumentations_is_our_flip():
    """Ours is checked by hand in test_crop.py."""
    for index in range(30):
        sample = drawn(index)
        ours = Augmentation(**OFF | {"horizontal_flip": 1.0}, transforms={}).train(sample, 64, 1.0, seed=0, epoch=0)
        theirs = through(sample, A.HorizontalFlip(p=1))
        assert types(theirs) == types(ours) == types(sample)
        undefined = {"path"} if sample["label"] else {"path", "box", "keypoints"}
        for key in set(sample) - undefined:
            np.testing.assert_allclose(theirs[key], ours[key], atol=1e-5, err_msg=key)


def test_objects_that_leave_the_image_leave_all_lists():
    """Shifted by half the width, what lies in the right half is gone and what lay across the middle is cut."""
    for index in range(30):
        sample = drawn(index)
        seen = through(sample, A.Affine(translate_percent={"x": (0.5, 0.5), "y": (0, 0)}, interpolation=0, p=1))
        stays = sample["boxes"][:, 0] < 32
        assert seen["labels"].tolist() == sample["labels"][stays].tolist()
        expected = np.minimum(sample["boxes"][stays] + np.array([32, 0, 32, 0]), 64)
        np.testing.assert_allclose(seen["boxes"], expected, atol=1e-3)
        assert (seen["masks"][:, :, 32:] == sample["masks"][stays][:, :, :32]).all()
        assert (seen["mask"][:, 32:] == sample["mask"][:, :32]).all()
        if sample["label"]:
            first = np.minimum(sample["box"] + np.array([0.5, 0, 0.5, 0]), 1) if stays[0] else np.zeros(4)
            np.testing.assert_allclose(seen["box"], first, atol=1e-4)
            assert (seen["visible"] == (sample["keypoints"][:, 0] <= 0.5)).all()


@pytest.mark.parametrize("keys", [("label",), ("label", "box"), ("label", "keypoints", "visible"), ("boxes", "labels")])
def test_any_selection_of_targets_goes_through(keys):
    whole = drawn(1)
    sample = {key: whole[key] for key in ("image", "index", "path", *keys)}
    seen = through(sample, A.Rotate(limit=(20, 20), p=1))
    assert types(seen) == types(sample)


def test_a_picture_of_nothing_goes_through():
    empty = next(sample for sample in map(drawn, range(50)) if sample["label"] == 0)
    seen = through(empty, A.Rotate(limit=(20, 20), p=1))
    assert types(seen) == types(empty)
    assert [seen[key].shape for key in ("boxes", "labels", "masks")] == [(0, 4), (0,), (0, 64, 64)]
    assert not seen["box"].any()
