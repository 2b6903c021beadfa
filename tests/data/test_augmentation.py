"""A sample's augmentation is a function of (seed, epoch, index), and what does not fit is told."""

import random
import subprocess
import sys

import albumentations as A
import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from src.config.build import build
from src.data.augmentation import Augmentation, rand_augment
from src.data.preview import save_batch_picture
from src.errors import UserError

OFF = {
    "crop_scale": None, "crop_ratio": (0.75, 4 / 3), "horizontal_flip": 0.0, "vertical_flip": 0.0, "transforms": {},
    "mixup": 0.0, "cutmix": 0.0, "lost_object": "refuse", "min_box_share": 0.3,
}  # fmt: skip
RAMP = torch.linspace(30, 200, 64)
PICTURE = torch.stack([RAMP + 40 * torch.sin(RAMP[:, None] / s) for s in (9, 5, 7)]).clamp(0, 255).to(torch.uint8)


def sample(index=0, channels=3, **targets):
    image = np.random.default_rng(index).integers(0, 256, (48, 64, channels), dtype=np.uint8)
    return {"image": image, "index": index, **targets}


def strong():
    transforms = {"color": A.ColorJitter(p=0.8), "blur": A.OneOf([A.GaussianBlur(p=1), A.MedianBlur(p=1)], p=0.7)}
    return Augmentation(**OFF | {"crop_scale": (0.3, 1.0), "horizontal_flip": 0.5, "transforms": transforms})


def test_the_same_sample_in_any_order_and_process_is_the_same():
    forward, backward = strong(), strong()
    first = {i: forward.train(sample(i), 32, 0.875, seed=3, epoch=1)["image"].copy() for i in range(20)}
    second = {i: backward.train(sample(i), 32, 0.875, seed=3, epoch=1)["image"].copy() for i in reversed(range(20))}
    assert all((first[i] == second[i]).all() for i in first)


def test_another_seed_or_epoch_is_another_picture():
    augment = strong()
    pictures = {
        augment.train(sample(), 32, 1.0, seed=s, epoch=e)["image"].tobytes() for s in range(3) for e in range(3)
    }
    assert len(pictures) == 9


def test_flips_have_their_probability():
    augment = Augmentation(**OFF | {"horizontal_flip": 0.3})
    plain = augment.evaluate(sample(), 48, 1.0)["image"]
    flips = 0
    for epoch in range(1000):
        seen = augment.train(sample(), 48, 1.0, seed=0, epoch=epoch)["image"]
        flips += (seen == plain[:, ::-1]).all()
    assert 240 < flips < 360  # 300 +- 4 standard deviations


def test_evaluation_ignores_what_training_does():
    assert (
        strong().evaluate(sample(), 32, 0.875)["image"] == Augmentation(**OFF).evaluate(sample(), 32, 0.875)["image"]
    ).all()


def test_no_transforms_do_not_import_albumentations():
    code = (
        "import sys\nfrom src.data.augmentation import Augmentation\n"
        f"Augmentation(**{OFF!r})\nsys.exit('albumentations' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("magnitude", [0, 9, 30])
def test_rand_augment_runs_all_its_operations(magnitude):
    augment = Augmentation(**OFF | {"transforms": {"rand": rand_augment(operations=2, magnitude=magnitude)}})
    pictures = {augment.train(sample(), 32, 1.0, seed=0, epoch=epoch)["image"].tobytes() for epoch in range(60)}
    assert len(pictures) > (1 if magnitude == 0 else 30)


def test_a_transform_that_cannot_take_five_channels_is_named():
    augment = Augmentation(**OFF | {"transforms": {"gray": A.ToGray(p=1)}})
    with pytest.raises(UserError, match=r"augment\.transforms\.gray failed.*5 channels.*3-channel"):
        augment.train(sample(channels=5), 32, 1.0, seed=0, epoch=0)


def test_among_several_transforms_the_one_that_fails_is_named():
    choice = A.RandomOrder([A.GaussianBlur(p=1), A.ColorJitter(p=1)], n=2, p=1)
    augment = Augmentation(**OFF | {"transforms": {"blur": A.GaussianBlur(p=1), "choice": choice}})
    with pytest.raises(UserError, match=r"augment\.transforms\.choice failed.*5 channels"):
        augment.train(sample(channels=5), 32, 1.0, seed=0, epoch=0)


@pytest.mark.parametrize(
    ("changing", "made"),
    [
        (A.RandomCrop(16, 16, p=1), r"uint8 \(16, 16, 3\)"),
        (A.OneOf([A.NoOp(p=0), A.Resize(40, 32, p=1)], p=1), r"uint8 \(40, 32, 3\)"),
        (A.Normalize(p=1), r"float32 \(32, 32, 3\)"),
        (A.ToFloat(p=1), r"float32 \(32, 32, 3\)"),
        (A.ToGray(num_output_channels=1, p=1), r"uint8 \(32, 32(, 1)?\)"),
        (A.ToTensorV2(p=1), r"torch\.uint8 \(3, 32, 32\)"),
    ],
)
def test_a_transform_that_makes_another_size_or_type_is_named_with_what_to_type(changing, made):
    augment = Augmentation(**OFF | {"transforms": {"blur": A.GaussianBlur(p=1), "other": changing}})
    message = (
        rf"augment\.transforms\.other makes {made} of uint8 \(32, 32, 3\).*transforms\.other=null.*data\.image_size"
    )
    with pytest.raises(UserError, match=rf"{message}.*data\.normalize"):
        augment.train(sample(), 32, 1.0, seed=0, epoch=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transform_that_keeps_size_and_type_is_none_of_those(channels):
    augment = Augmentation(**OFF | {"transforms": {"blur": A.GaussianBlur(p=1), "turn": A.RandomRotate90(p=1)}})
    assert augment.train(sample(channels=channels), 32, 1.0, seed=0, epoch=0)["image"].shape == (32, 32, channels)


@pytest.mark.filterwarnings("ignore:Argument")
@pytest.mark.parametrize("wrap", [lambda transform: transform, lambda transform: A.OneOf([transform], p=1)])
def test_an_argument_that_albumentations_would_ignore_is_an_error(wrap):
    transform = wrap(A.GaussianBlur(sigma_limits=(0.1, 2.0), p=0.5))
    with pytest.raises(UserError, match=r"augment\.transforms\.blur: GaussianBlur has no .*sigma_limit\?"):
        Augmentation(**OFF | {"transforms": {"blur": transform}})


def operation(number, magnitude):
    """One of RandAugment's operations, in the order of table 1 of the paper as torchvision has them."""
    return rand_augment(operations=1, magnitude=magnitude).transforms[number]


@pytest.mark.parametrize(
    ("number", "reference"),
    [
        (6, [tv.adjust_brightness(PICTURE, factor) for factor in (1.27, 0.73)]),
        (7, [tv.adjust_saturation(PICTURE, factor) for factor in (1.27, 0.73)]),
        (8, [tv.adjust_contrast(PICTURE, factor) for factor in (1.27, 0.73)]),
        (9, [tv.adjust_sharpness(PICTURE, factor) for factor in (1.27, 0.73)]),
        (10, [tv.posterize(PICTURE, 7)]),
        (11, [tv.solarize(PICTURE, 255 * 0.7)]),
        (12, [tv.autocontrast(PICTURE)]),
        (13, [tv.equalize(PICTURE)]),
    ],
)
def test_rand_augments_colours_are_torchvisions_at_magnitude_9(number, reference):
    found = operation(number, 9)
    parts = getattr(found, "transforms", [found])
    image = PICTURE.permute(1, 2, 0).numpy()
    for part, expected in zip(parts, reference, strict=True):
        error = part(image=image)["image"].astype(int) - expected.permute(1, 2, 0).numpy()
        assert np.abs(error).mean() < 2, type(part)


def test_rand_augment_applies_its_operations_in_any_order():
    """Repeated operations and both orders of two: 14 * 14 sequences are equally likely."""
    augment = rand_augment(operations=2, magnitude=9)
    augment.set_random_state(np.random.default_rng(0), random.Random(0))
    pairs = [tuple(augment._get_idx()) for _ in range(2000)]
    assert 100 < sum(a == b for a, b in pairs) < 190  # 2000 / 14 = 143 +- 4 standard deviations
    assert 830 < sum(a < b for a, b in pairs) < 1030


def test_a_value_that_albumentations_refuses_is_a_message():
    section = {"_target_": "albumentations.GaussianBlur", "sigma_limit": [2.0, -1.0]}
    with pytest.raises(UserError, match="GaussianBlur"):
        build(section)


def test_bounds_in_the_wrong_order_are_a_message():
    with pytest.raises(UserError, match=r"augment\.crop_scale"):
        Augmentation(**OFF | {"crop_scale": (1.0, 0.5)})


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_batch_is_drawn_with_its_labels(tmp_path, channels):
    from PIL import Image

    batch = {
        "image": torch.randint(0, 256, (10, channels, 32, 32), dtype=torch.uint8),
        "label": torch.eye(3)[torch.arange(10) % 3] * 0.6 + torch.eye(3)[0] * 0.4,
        "box": torch.tensor([[0.1, 0.2, 0.5, 0.6]]).repeat(10, 1),
    }
    path = save_batch_picture(batch, ["a", "b", "c"], tmp_path / "batch.png")
    assert Image.open(path).size == (8 * 164 + 4, 2 * (160 + 18 + 4) + 4)
