"""What albumentations does to boxes, points and masks: measured by images that tell where each pixel came from."""

import inspect
import random

import albumentations as A
import cv2
import numpy as np
import pytest

from src.data.placed import Shares, compose_arguments, compose_data, prepare, transformed
from src.data.transform_rules import PLACED, RULES, refusal
from src.data.transforms import rule_of

HEIGHT, WIDTH = 90, 120
ARGUMENTS = {
    "Affine": [
        {"rotate": (30, 30), "scale": (0.8, 0.8), "shear": {"x": (10, 10), "y": (0, 0)}},
        {"rotate": (45, 45), "fit_output": True},
        {"translate_px": {"x": (7, 7), "y": (-5, -5)}, "border_mode": cv2.BORDER_REPLICATE},
    ],
    "Rotate": [{"limit": (25, 25)}, {"limit": (-70, -70)}],
    "SafeRotate": [{"limit": (30, 30)}],
    "ShiftScaleRotate": [{"shift_limit": (0.1, 0.1), "scale_limit": (-0.3, -0.3), "rotate_limit": (20, 20)}],
    "Perspective": [{"scale": (0.1, 0.1)}, {"scale": (0.1, 0.1), "fit_output": True}],
    "Crop": [{"x_min": 10, "y_min": 5, "x_max": 70, "y_max": 65}],
    "CenterCrop": [{"height": 60, "width": 70}],
    "RandomCrop": [{"height": 60, "width": 70}, {"height": 100, "width": 130, "pad_if_needed": True}],
    "Pad": [{"padding": (3, 8)}, {"padding": (3, 8), "border_mode": cv2.BORDER_REPLICATE}],
    "PadIfNeeded": [{"min_height": 120, "min_width": 121}],
    "Resize": [{"height": 50, "width": 67}, {"height": 200, "width": 170}],
    "RandomResizedCrop": [{"size": (64, 64), "scale": (0.3, 0.6)}, {"size": (200, 200)}],
    "RandomSizedCrop": [{"min_max_height": (40, 60), "size": (90, 120)}],
    "CropAndPad": [{"percent": (0.13, 0.13)}, {"percent": (-0.2, -0.2)}],
    "GridElasticDeform": [{"num_grid_xy": (4, 4), "magnitude": 6}],
    "ElasticTransform": [{"alpha": 60, "sigma": 8}],
    "XYMasking": [{"num_masks_x": (2, 2), "mask_x_length": (9, 9)}],
    "TimeMasking": [{"time_mask_param": 20}],
    "FrequencyMasking": [{"freq_mask_param": 20}],
    "CoarseDropout": [{"num_holes_range": (6, 6), "hole_height_range": (0.3, 0.4), "hole_width_range": (0.3, 0.4)}],
    "Erasing": [{"scale": (0.1, 0.2)}],
    "GridDropout": [{"ratio": 0.6}],
}
BOXES = np.array([[40.25, 30.5, 80.0, 62.0], [52.0, 20.0, 66.5, 41.75]])
POINTS = np.array([[45.2, 33.3], [70.0, 50.9], [61.6, 44.4], [58.1, 60.2]])


def measured(name):
    """Yield each way in which a transform is measured."""
    for arguments in ARGUMENTS.get(name, [{}]):
        yield getattr(A, name)(**arguments, p=1)


def allowed(targets, *, moving):
    names = [name for name, rule in RULES.items() if not rule.never and rule.moves == moving]
    return [name for name in names if refusal(RULES[name], {}, targets, 3, pairs=True) is None]


def ramps():
    """A picture that says of each pixel where its centre is, and (in the third channel) that it is of the picture."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32) + 0.5
    return np.stack([x, y, np.ones_like(x)], -1)


def sample(**targets):
    return {"image": ramps(), "index": 0, **targets}


def seen_by(transform, sample, seed=0):
    prepare(transform)
    moving = 1 if rule_of(transform).moves else 0
    compose = A.Compose([transform], **compose_arguments(sample, moving))
    compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
    found = compose(**compose_data(sample, moving))
    return transformed(sample, found, Shares(1e-6, 1e-6), ())


def shown(image):
    """Return which pixels of a transformed picture are of it, and not mixed with what lies beyond its border."""
    return image[..., 2] > 0.9999


def homography(image):
    """Return the projective map from places in the picture to those in the transformed one, fitted to its pixels."""
    rows, columns = np.nonzero(cv2.erode(shown(image).astype(np.uint8), np.ones((5, 5)), borderValue=0))
    source = image[rows, columns, :2].astype(np.float64)
    inner = ((source > 3) & (source < [WIDTH - 3, HEIGHT - 3])).all(-1)
    places = np.stack([columns, rows], -1) + 0.5
    matrix, _ = cv2.findHomography(source[inner], places[inner])
    return matrix


def through(matrix, points):
    return cv2.perspectiveTransform(np.asarray(points, np.float64).reshape(-1, 1, 2), matrix)[:, 0]


def test_every_public_transform_has_its_rule():
    public = {
        name
        for name, member in vars(A).items()
        if inspect.isclass(member)
        and issubclass(member, A.BasicTransform)
        and member not in (A.BasicTransform, A.DualTransform, A.ImageOnlyTransform, A.Transform3D)
    }
    assert public == set(RULES)


def test_no_transform_mirrors_its_border_unless_it_is_told_to():
    for name in RULES:
        default = inspect.signature(getattr(A, name)).parameters.get("border_mode")
        assert default is None or default.default == cv2.BORDER_CONSTANT, name


@pytest.mark.parametrize("name", allowed(("box", "boxes", "keypoints"), moving=True))
def test_points_and_boxes_go_where_the_pixels_go(name):
    for number, transform in enumerate(measured(name)):
        given = sample(
            boxes=BOXES.astype(np.float32),
            labels=np.arange(2),
            box=(BOXES[1] / np.tile([WIDTH, HEIGHT], 2)).astype(np.float32),
            keypoints=POINTS / [WIDTH, HEIGHT],
            visible=np.ones(4, bool),
        )
        seen = seen_by(transform, given, number)
        height, width = seen["image"].shape[:2]
        matrix = homography(seen["image"])
        scale = max(1.0, np.sqrt(abs(np.linalg.det(matrix[:2, :2] / matrix[2, 2]))))
        error = seen["keypoints"] * [width, height] - through(matrix, POINTS)
        assert np.abs(error).max() < 0.05 * scale, (transform, error)
        corners = [[[x0, y0], [x1, y0], [x1, y1], [x0, y1]] for x0, y0, x1, y1 in BOXES[seen["labels"]]]
        moved = np.array([through(matrix, quad) for quad in corners])
        expected = np.concatenate([moved.min(1), moved.max(1)], -1)
        expected = np.clip(expected, 0, [width, height, width, height])
        assert len(seen["boxes"])
        assert np.abs(seen["boxes"] - expected).max() < 0.05 * scale, (transform, seen["boxes"] - expected)
        if seen["labels"][-1] == 1:
            assert np.abs(seen["box"] * np.tile([width, height], 2) - expected[-1]).max() < 0.05 * scale, transform


@pytest.mark.parametrize("name", allowed(("mask",), moving=True))
def test_masks_show_the_pixels_that_the_image_shows(name):
    """Columns and rows as classes: each pixel of the mask is the one whose centre is nearest to the image's place."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for number, transform in enumerate(measured(name)):
        seen = seen_by(transform, sample(mask=np.stack([x, y]).astype(np.uint8)), number)
        assert seen["mask"].shape[1:] == seen["image"].shape[:2]
        inside = shown(seen["image"]) & (seen["mask"][0] != 255)
        error = seen["mask"].transpose(1, 2, 0)[inside] + 0.5 - seen["image"][inside][:, :2]
        assert np.abs(error).max() < 0.55, (transform, np.abs(error).max())
        if getattr(transform, "border_mode", 0) == 0:
            assert (seen["mask"][:, seen["image"][..., 2] == 0] == 255).all(), transform
            assert not (seen["mask"][:, shown(seen["image"])] == 255).any(), transform


@pytest.mark.parametrize("name", allowed(PLACED, moving=False))
def test_what_leaves_pixels_in_place_leaves_all_targets_as_they_are(name):
    given = sample(
        boxes=BOXES.astype(np.float32),
        labels=np.arange(2),
        masks=np.random.default_rng(0).integers(0, 2, (2, HEIGHT, WIDTH), dtype=np.uint8),
        mask=np.random.default_rng(1).integers(0, 9, (HEIGHT, WIDTH)),
        box=np.array([0.123, 0.234, 0.567, 0.678], np.float32),
        keypoints=(POINTS / [WIDTH, HEIGHT]).astype(np.float32),
        visible=np.array([True, False, True, True]),
    )
    given["image"] = np.random.default_rng(2).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for transform in measured(name):
        seen = seen_by(transform, given)
        for key in (*PLACED, "labels", "visible"):
            np.testing.assert_allclose(seen[key], given[key], atol=1e-5, err_msg=key)


RED = {
    ("ElasticTransform", "box"): "loses points",
    ("GridDistortion", "keypoints"): "albumentations.Affine",
    ("ThinPlateSpline", "boxes"): "whole pixels",
    ("RandomScale", "mask"): "changes the size",
    ("RandomGridShuffle", "boxes"): "takes objects apart",
    ("Morphological", "masks"): "larger or smaller",
}


@pytest.mark.parametrize(("name", "target"), list(RED))
def test_what_cannot_be_right_is_refused_with_the_reason(name, target):
    assert RED[name, target] in str(refusal(RULES[name], {}, ("label", target), 3, pairs=True))
    assert refusal(RULES[name], {"p": 0}, ("label", target), 3, pairs=True) is None
    assert refusal(RULES[name], {}, ("label",), 3, pairs=None) is None


@pytest.mark.parametrize(
    ("arguments", "target", "reason"),
    [
        ({"border_mode": 2}, "box", "border_mode=2 (reflect) shows objects again"),
        ({"border_mode": 4}, "keypoints", "type border_mode=0"),
        ({"border_mode": 3}, "masks", "wrap"),
        ({"mask_interpolation": 1}, "mask", "blend the numbers of classes"),
        ({"fill_mask": 0}, "mask", "255 (ignored)"),
        ({"rotate_method": "ellipse"}, "boxes", "turned corners"),
        ({"border_mode": 1}, "boxes", None),
        ({"border_mode": 4}, "mask", None),
        ({"fill_mask": 255, "mask_interpolation": 0}, "mask", None),
    ],
)
def test_an_argument_that_would_make_a_target_wrong_is_refused(arguments, target, reason):
    found = refusal(RULES["Affine"], arguments, ("label", target), 3, pairs=True)
    assert found is None if reason is None else reason in str(found)
    assert refusal(RULES["Affine"], arguments, ("label",), 3, pairs=True) is None


def test_a_mirror_is_refused_where_nobody_says_which_points_trade_places():
    for name in ("HorizontalFlip", "VerticalFlip", "Transpose", "D4", "SquareSymmetry"):
        assert "flip_pairs" in str(refusal(RULES[name], {}, ("keypoints",), 3, pairs=False))
        assert refusal(RULES[name], {}, ("keypoints",), 3, pairs=True) is None


NEEDED = {
    name: {"height": 32, "width": 32}
    for name in ("CenterCrop", "RandomCrop", "Resize", "CropNonEmptyMaskIfExists", "AtLeastOneBBoxRandomCrop")
}
CHANGES_SIZE = (
    *("CenterCrop", "Pad", "PadIfNeeded", "RandomCrop", "RandomCropFromBorders", "RandomScale", "Resize", "Affine"),
    *("RandomResizedCrop", "RandomSizedCrop", "LongestMaxSize", "SmallestMaxSize", "Crop"),
)
NEEDED |= {name: {"max_size": 32} for name in ("LongestMaxSize", "SmallestMaxSize")}


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if not rule.never and name != "Lambda"])
@pytest.mark.filterwarnings("ignore")
def test_the_channels_that_a_transform_is_said_to_take_are_those_that_it_takes(name):
    """Other numbers fail in the library, most of them after the data have been read: here they are told before."""
    arguments = NEEDED.get(name) or ARGUMENTS.get(name, [{}])[0]
    for channels in (1, 2, 3, 4, 5):
        image = np.random.default_rng(0).integers(0, 256, (32, 32, channels), dtype=np.uint8)
        said = refusal(RULES[name], {}, ("label",), channels, pairs=None) is None
        if name == "Crop":
            arguments = {"x_max": 32, "y_max": 32}
        try:
            takes = True
            for seed in range(8):
                transform = getattr(A, name)(**arguments, p=1)
                transform.set_random_seed(seed)
                made = transform(image=image)["image"]
                takes &= name in CHANGES_SIZE or made.reshape(*made.shape[:2], -1).shape == image.shape
        except Exception:
            takes = False
        assert takes == said, (name, channels)
