"""A sample's augmentation is a function of (seed, epoch, index), and what does not fit is told."""

import subprocess
import sys

import albumentations as A
import numpy as np
import pytest
import torch

from src.config.build import build
from src.data.augmentation import Augmentation, rand_augment
from src.data.preview import save_batch_picture
from src.errors import UserError

OFF = {
    "crop_scale": None, "crop_ratio": (0.75, 4 / 3), "horizontal_flip": 0.0, "vertical_flip": 0.0, "transforms": {},
    "mixup": 0.0, "cutmix": 0.0,
}  # fmt: skip


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
    with pytest.raises(UserError, match=r"gray.*5 channels"):
        augment.train(sample(channels=5), 32, 1.0, seed=0, epoch=0)


def test_boxes_do_not_stay_behind_silently():
    augment = Augmentation(**OFF | {"transforms": {"turn": A.Rotate(p=1)}})
    with pytest.raises(UserError, match=r"augment\.transforms\.turn=null"):
        augment.train(sample(box=np.zeros(4, np.float32)), 32, 1.0, seed=0, epoch=0)


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
