"""Every file of conf/augment with every target: what it leaves is right, or it is refused."""

import numpy as np
import pytest

from src.config.build import build
from src.config.command import compose
from src.config.groups import CONF
from src.data.placed import enclosing
from src.data.sources.shapes import Shapes
from src.errors import UserError
from tests.config.conftest import lines_of, problems_of

PRESETS = sorted(path.stem for path in (CONF / "augment").glob("*.yaml"))
TARGETS = {
    "label": ("label",),
    "box": ("label", "box"),
    "objects": ("boxes", "labels", "masks"),
    "mask": ("mask",),
    "points": ("keypoints", "visible"),
}


def preset(name):
    config = compose("train", ["model=lenet", f"augment={name}"]).config
    from omegaconf import OmegaConf

    return build(OmegaConf.to_container(config.augment, resolve=True))


def drawn(index):
    size = {"size": 64, "train": 50, "val": 1, "test": 1}
    return Shapes(**size, identities=42, max_objects=1, nothing=0.0, seed=0).read(index)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_leaves_every_target_on_its_pixels(name):
    """Masks are looked up pixel by pixel, so they are what boxes and points are held against."""
    augment = preset(name).for_data(Shapes.targets, 3, Shapes.flip_pairs)
    seen_alike = 0
    for index in range(40):
        seen = augment.train(drawn(index), 64, 1.0, seed=1, epoch=index)
        if not len(seen["boxes"]):
            continue
        box, mask = seen["boxes"][0], seen["masks"][0]
        hull = np.array(enclosing(mask))
        assert (box[:2] <= hull[:2] + 2).all()
        assert (box[2:] >= hull[2:] - 2).all()
        if hull.min() > 0 and hull.max() < 64:  # what is left of an object that is cut may be narrower than its box
            assert np.abs(box - hull).max() <= 2
        assert ((seen["mask"] == seen["labels"][0]) == (mask == 1)).all()
        if seen["label"]:  # of a turned object without a mask it is the box of its corners, and so may be larger
            seen_alike += np.abs(seen["box"] * 64 - box).max() <= 2
            assert (seen["box"][:2] * 64 <= box[:2] + 2).all()
            assert (seen["box"][2:] * 64 >= box[2:] - 2).all()
        points = seen["keypoints"][seen["visible"]] * 64
        assert ((points >= box[:2] - 3) & (points <= box[2:] + 3)).all()
        if seen["visible"].all():
            left, right = seen["keypoints"][4], seen["keypoints"][2]
            assert left[0] < right[0], index
    assert seen_alike >= 20


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
def test_a_preset_takes_every_selection_of_targets(name, targets):
    augment = preset(name).for_data(targets, 3, Shapes.flip_pairs)
    given = {key: drawn(3)[key] for key in ("image", "index", "path", *targets)}
    seen = augment.train(given, 48, 1.0, seed=0, epoch=0)
    assert seen["image"].shape == (48, 48, 3)
    assert set(seen) == set(given)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_that_mirrors_is_refused_where_points_would_be_mirrored_without_their_names(name):
    augment = preset(name)
    if augment.horizontal_flip:
        with pytest.raises(UserError, match=r"augment\.horizontal_flip mirrors keypoints"):
            augment.for_data(("keypoints", "visible"), 3, None)
    else:
        augment.for_data(("keypoints", "visible"), 3, None)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_takes_the_channels_or_is_refused_before_data_are_read(name, channels):
    typed = ["model=lenet", "data=csv", f"data.source.channels={channels}", f"augment={name}"]
    refused = lines_of(problems_of(*typed))
    colour = name in ("strong", "randaugment")
    assert bool(refused) == (colour and channels not in (1, 3))
    if refused:
        assert f"takes images of 1 or 3 channels, not of {channels}" in refused[0]
        with pytest.raises(UserError, match="takes images of 1 or 3 channels"):
            preset(name).for_data(("label",), channels, None)
    else:
        augment = preset(name).for_data(("label",), channels, None)
        image = np.random.default_rng(0).integers(0, 256, (64, 64, channels), dtype=np.uint8)
        for epoch in range(10):
            seen = augment.train({"image": image, "label": 1, "index": 0}, 48, 1.0, seed=0, epoch=epoch)
            assert seen["image"].shape == (48, 48, channels)


@pytest.mark.parametrize(
    ("typed", "flip"),
    [
        (["data=mnist"], 0.0),
        (["data=orl_faces"], 0.0),
        (["data=identities"], 0.0),
        (["data=fashion_mnist"], 0.5),
        (["data=imagenette"], 0.5),
        (["data=mnist", "augment=light"], 0.5),
        (["augment=standard", "data=mnist"], 0.5),
        (["data=mnist", "augment.horizontal_flip=0.2"], 0.2),
        (["experiment=orl_siamese"], 0.5),
        (["data=mnist", "debug=overfit"], 0.0),
    ],
)
def test_digits_and_faces_are_not_mirrored_unless_somebody_says_so(typed, flip):
    for command in ("train", "lr_find"):
        if command == "train" or not typed[-1].startswith("debug"):
            assert compose(command, typed).config.augment.horizontal_flip == flip


def test_a_data_set_of_ones_own_may_choose_its_augmentation_too(tmp_path):
    (tmp_path / "data").mkdir()
    text = "defaults:\n  - folder\n  - override /augment@_global_.augment: shift\nroot: plates\n"
    (tmp_path / "data" / "plates.yaml").write_text(text)
    for command in ("train", "lr_find", "prepare"):
        found = compose(command, ["data=plates", "--config-dir", str(tmp_path)])
        assert found.choices.get("augment") == (None if command == "prepare" else "shift")
