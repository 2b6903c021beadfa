"""Transforms that would leave a target wrong are told with their key before anything heavy is imported."""

import subprocess
import sys

import pytest

from src.config.groups import CONF
from tests.config.conftest import lines_of, problems_of

LOCALIZER = ("model=localizer", "augment.mixup=0")
POINTER = """
class Pointer:
    requires = ("keypoints", "visible")
    def __init__(self, *, network, spec, optimizer, scheduler, seed): ...
"""


@pytest.mark.parametrize(
    ("transform", "reason"),
    [
        ("{_target_: albumentations.ElasticTransform}", "ElasticTransform loses points"),
        ("{_target_: albumentations.Rotate, border_mode: 4}", "Rotate with border_mode=4"),
        (
            "{_target_: albumentations.OneOf, transforms: [{_target_: albumentations.GridDistortion}]}",
            "GridDistortion loses points",
        ),
        ("{_target_: albumentations.Normalize}", "the scale is set by data.normalize"),
        ("{_target_: albumentations.BBoxSafeRandomCrop}", "augment.crop_scale with augment.lost_object=refuse"),
        (
            "{_target_: albumentations.SelectiveChannelTransform, transforms: [{_target_: albumentations.Rotate}]}",
            "would move some channels",
        ),
    ],
)
def test_a_transform_that_cannot_be_right_for_the_models_targets_is_refused(transform, reason):
    (found,) = problems_of(*LOCALIZER, f"+augment.transforms.it={transform}")
    assert found.key == "augment.transforms.it"
    assert reason in found.what
    assert found.suggestion == "augment.transforms.it=null leaves it out"


def test_a_classifier_may_use_what_moves_its_pixels_anyhow():
    for transform in (
        "{_target_: albumentations.ElasticTransform}",
        "{_target_: albumentations.Rotate, border_mode: 4}",
    ):
        assert lines_of(problems_of("model=resnet", f"+augment.transforms.it={transform}")) == []


@pytest.mark.parametrize("augment", ["none", "light", "standard", "strong", "randaugment", "faces", "shift"])
def test_every_preset_suits_the_localizer(augment):
    assert lines_of(problems_of(*LOCALIZER, f"augment={augment}")) == []


def test_mirrored_points_need_the_names_of_their_pairs(tmp_path, monkeypatch, own_folder):
    source = (
        "\nclass Points:\n    targets = ('keypoints', 'visible')\n    flip_pairs = None\n    def __init__(self): ...\n"
    )
    (tmp_path / "pointers.py").write_text(POINTER + source)
    monkeypatch.syspath_prepend(tmp_path)
    own_folder("data/points", "defaults: [_base]\nsource:\n  _target_: pointers.Points\n")
    folder = own_folder(
        "model/pointer", "defaults:\n  - /network@_global_.network: resnet\n_target_: pointers.Pointer\n"
    )
    typed = ("model=pointer", "allowed_packages=[pointers]", "callbacks=none")
    (found,) = problems_of(*typed, "data=points", folders=(CONF, folder))
    assert (found.key, "flip_pairs" in found.what) == ("augment.horizontal_flip=0.5", True)
    assert lines_of(problems_of(*typed, "data=points", "augment=shift", folders=(CONF, folder))) == []
    assert lines_of(problems_of(*typed, "data=shapes", folders=(CONF, folder))) == []
    (mixed,) = problems_of(*typed, "data=shapes", "augment.mixup=0.2", folders=(CONF, folder))
    assert "cannot learn from images that are mixed up" in mixed.what


def test_the_table_of_transforms_imports_nothing_heavy():
    heavy = {"numpy", "cv2", "torch", "albumentations"}
    code = f"import sys, src.data.transform_rules; sys.exit(bool({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
