"""Boxes, points and masks go where albumentations moves the pixels."""

import albumentations as A
import numpy as np
import pytest

from src.data.augmentation import Augmentation
from src.data.sources.shapes import Shapes
from src.errors import UserError

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


def whole(**targets):
    return {"image": np.full((64, 64, 3), 99, np.uint8), "index": 0, **targets}


def square(x0, y0, x1, y1):
    mask = np.zeros((64, 64), np.uint8)
    mask[y0:y1, x0:x1] = 1
    return mask


def objects(*boxes):
    return {
        "boxes": np.array(boxes, np.float32),
        "labels": np.arange(len(boxes)),
        "masks": np.stack([square(*box) for box in boxes]),
        "ignored": np.arange(len(boxes)) % 2 == 1,
    }


@pytest.mark.parametrize(
    "transform",
    [
        A.CoarseDropout(num_holes_range=(5, 5), hole_height_range=(0.4, 0.5), hole_width_range=(0.4, 0.5), p=1),
        A.GridDropout(ratio=0.7, p=1),
        A.Erasing(scale=(0.1, 0.2), p=1),
        A.XYMasking(num_masks_x=(2, 2), mask_x_length=(20, 20), p=1),
        A.OneOf([A.CoarseDropout(fill=255, p=1), A.PixelDropout(dropout_prob=0.9, p=1)], p=1),
    ],
)
def test_what_covers_an_object_does_not_move_its_box(transform):
    given = whole(label=2, box=np.array([0.2001, 0.3003, 0.7007, 0.8], np.float32), **objects((3, 4, 9, 60)))
    seen = through(given, transform)
    assert (seen["image"] != given["image"]).any()
    for key in set(given) - {"image"}:
        assert np.array_equal(seen[key], given[key]), key


def test_an_object_of_which_nothing_is_seen_goes_with_all_that_is_said_of_it():
    """Moved right by 40, the third one leaves; of the second, whose box stays, all pixels of its mask leave."""
    given = whole(**objects((2, 2, 12, 12), (10, 20, 40, 30), (50, 50, 60, 60)))
    given["masks"][1] = square(30, 20, 40, 30)
    seen = through(given, A.Affine(translate_px={"x": (40, 40), "y": (0, 0)}, p=1))
    assert seen["labels"].tolist() == [0]
    assert seen["ignored"].tolist() == [False]
    assert seen["boxes"].tolist() == [[42, 2, 52, 12]]
    assert (seen["masks"] == square(42, 2, 52, 12)).all()


@pytest.mark.parametrize(
    ("transform", "share"), [(A.Rotate(limit=(30, 30), p=1), 0.155), (A.Pad(padding=32, p=1), 0.75)]
)
def test_what_lies_beyond_the_border_is_ignored_in_the_mask_and_none_of_an_object(transform, share):
    """A square turned by 30 degrees leaves 15.5 % of itself empty; 64 of 128 pixels a side are a quarter."""
    sequence = A.Sequential([transform, A.Resize(64, 64, p=1)], p=1)
    seen = through(whole(mask=np.full((64, 64), 7), masks=np.ones((1, 64, 64), np.uint8)), sequence)
    assert (seen["mask"] == 255).mean() == pytest.approx(share, abs=0.01)
    assert set(np.unique(seen["mask"])) == {7, 255}
    assert ((seen["masks"][0] == 0) == (seen["mask"] == 255)).all()


@pytest.mark.parametrize("border", [1, 2, 4])
def test_a_border_that_goes_on_with_the_image_is_ignored_too(border):
    turn = A.Affine(translate_px={"x": (16, 16), "y": (0, 0)}, border_mode=border, p=1)
    seen = through(whole(mask=np.full((64, 64), 7)), turn)
    assert (seen["mask"][:, :16] == 255).all()
    assert (seen["mask"][:, 16:] == 7).all()


def test_several_labels_for_each_pixel_go_with_them():
    mask = np.random.default_rng(0).integers(0, 2, (3, 64, 64), dtype=np.uint8)
    seen = through(whole(mask=mask), A.HorizontalFlip(p=1))
    assert (seen["mask"] == mask[..., ::-1]).all()


def test_a_turned_box_is_that_of_its_mask_where_it_has_one():
    """A disc has the same box however it is turned about the middle; its box's corners enclose 1.37 times the side."""
    y, x = np.mgrid[:64, :64] + 0.5
    disc = ((x - 32) ** 2 + (y - 32) ** 2 <= 16**2).astype(np.uint8)
    box = np.array([[16, 16, 48, 48]], np.float32)
    turn = A.Rotate(limit=(30, 30), p=1)
    bare = through(whole(boxes=box, labels=np.zeros(1, int)), turn)["boxes"]
    with_mask = through(whole(boxes=box, labels=np.zeros(1, int), masks=disc[None]), turn)["boxes"]
    half = 16 * (np.cos(np.pi / 6) + np.sin(np.pi / 6))
    np.testing.assert_allclose(bare, [[32 - half, 32 - half, 32 + half, 32 + half]], atol=0.02)
    assert np.abs(with_mask - box).max() <= 1


@pytest.mark.parametrize(
    ("transform", "mirrored"),
    [(A.HorizontalFlip(p=1), True), (A.VerticalFlip(p=1), True), (A.Transpose(p=1), True), (A.NoOp(p=1), False),
     (A.RandomRotate90(p=1), False), (A.Rotate(limit=(180, 180), p=1), False),
     (A.Sequential([A.HorizontalFlip(p=1), A.VerticalFlip(p=1)], p=1), False)],
)  # fmt: skip
def test_left_and_right_trade_places_in_a_mirror_image_and_in_nothing_else(transform, mirrored):
    points, visible = np.array([[0.2, 0.3], [0.7, 0.3], [0.5, 0.8]], np.float32), np.array([True, False, True])
    augment = Augmentation(**OFF, transforms={"it": transform})
    given = whole(keypoints=points, visible=visible)
    plain = augment.for_data(("keypoints", "visible"), 3, ()).train(given, 64, 1.0, seed=0, epoch=0)
    seen = augment.for_data(("keypoints", "visible"), 3, ((0, 1),)).train(given, 64, 1.0, seed=0, epoch=0)
    order = [1, 0, 2] if mirrored else [0, 1, 2]
    assert np.array_equal(seen["keypoints"], plain["keypoints"][order])
    assert np.array_equal(seen["visible"], visible[order])


@pytest.mark.parametrize("key", ["horizontal_flip", "vertical_flip"])
def test_our_own_mirror_swaps_the_pairs_and_is_refused_where_the_data_name_none(key):
    augment = Augmentation(**OFF | {key: 1.0}, transforms={})
    given = whole(keypoints=np.array([[0.2, 0.3], [0.7, 0.4]], np.float32), visible=np.array([True, False]))
    seen = augment.for_data(("keypoints", "visible"), 3, ((0, 1),)).train(given, 64, 1.0, seed=0, epoch=0)
    expected = [[0.3, 0.4], [0.8, 0.3]] if key == "horizontal_flip" else [[0.7, 0.6], [0.2, 0.7]]
    np.testing.assert_allclose(seen["keypoints"], expected, atol=1e-6)
    assert seen["visible"].tolist() == [False, True]
    with pytest.raises(UserError, match=rf"augment\.{key} mirrors keypoints.*flip_pairs"):
        augment.for_data(("keypoints", "visible"), 3, None)
    augment.for_data(("label",), 3, None)


def test_what_one_transform_moves_out_and_another_back_is_gone():
    """The left half leaves the image and comes back as border: an object in it is lost, one to the right is not."""
    out = A.Affine(translate_px={"x": (-32, -32), "y": (0, 0)}, p=1)
    back = A.Affine(translate_px={"x": (32, 32), "y": (0, 0)}, p=1)
    boxes = np.array([[5, 5, 25, 25], [40, 5, 60, 25]], np.float32)
    given = whole(
        boxes=boxes, labels=np.arange(2), visible=np.ones(2, bool),
        keypoints=np.array([[0.2, 0.5], [0.8, 0.5]], np.float32),
    )  # fmt: skip
    seen = through(given, A.Sequential([out, back], p=1))
    assert seen["labels"].tolist() == [1]
    np.testing.assert_allclose(seen["boxes"], boxes[1:], atol=1e-3)
    assert seen["visible"].tolist() == [False, True]


def test_crop_and_transforms_together_must_leave_the_share():
    """The central 48 columns show 32 of the object's 40, as 42.7 of 64; 22.7 are left when it is moved: 17 of 40."""
    given = whole(label=1, box=np.array([0, 8, 40, 56], np.float32) / 64)
    move = A.Affine(translate_px={"x": (-20, -20), "y": (0, 0)}, p=1)
    for share, label in ((0.42, 1), (0.43, 0)):
        augment = Augmentation(**OFF | {"min_box_share": share}, transforms={"move": move})
        seen = augment.train(given, 64, 0.75, seed=0, epoch=0)
        assert seen["label"] == label
