"""An object that a crop or a transform loses: another is drawn, or the sample becomes one of nothing; by hand."""

from __future__ import annotations

import albumentations as A
import numpy as np
import pytest

from src.data.augmentation import Augmentation
from src.data.crop import CropBox, Stream, random_resized_crops, visible_share
from src.data.mean_boxes import mean_boxes
from src.data.module import ImageData
from src.data.sources.base import Source
from src.data.sources.shapes import Shapes
from src.errors import UserError

OPTIONS = {
    "crop_scale": None, "crop_ratio": (0.75, 4 / 3), "horizontal_flip": 0.0, "vertical_flip": 0.0, "transforms": {},
    "mixup": 0.0, "cutmix": 0.0, "lost_object": "refuse", "min_box_share": 0.5,
}  # fmt: skip
SMALL_CROPS = {"crop_scale": (0.1, 0.3)}
BOX = [0.0, 0.0, 0.3, 0.3]


def augmentation(**options) -> Augmentation:
    return Augmentation(**OPTIONS | options)


def sample(index=0, label=2, box=BOX, **more):
    """A picture of 120 x 80 whose red channel says where the object is."""
    image = np.zeros((80, 120, 3), np.uint8)
    x0, y0, x1, y1 = np.array(box) * [120, 80, 120, 80]
    image[round(y0) : round(y1), round(x0) : round(x1), 0] = 255
    return {"image": image, "label": label, "box": np.array(box, np.float32), "index": index} | more


def share_in_view(seen) -> float:
    """Return the share of red pixels in what the network sees."""
    return float((seen["image"][..., 0] > 127).mean())


def test_the_visible_share_by_hand():
    """The box is 20 x 10 pixels at (10, 10); a part from (20, 0) shows half of its width, from (20, 15) a quarter."""
    boxes = np.tile(np.array([0.1, 0.1, 0.3, 0.2], np.float32), (5, 1))
    boxes[4] = 0
    places = np.array([[0, 0, 100, 100], [0, 20, 50, 50], [15, 20, 50, 50], [50, 50, 50, 50], [0, 0, 100, 100]])
    shares = visible_share(boxes, places, np.full((5, 2), 100))
    assert shares.tolist() == pytest.approx([1, 1 / 2, 1 / 4, 0, 0])


def drawn(index: int, epoch: int, count: int) -> list[CropBox]:
    """Return the first crops of a sample's stream, as `SMALL_CROPS` draws them."""
    stream, row = Stream(0, epoch, [index]), np.array([0])
    size, ratios = np.array([[80, 120]]), np.array([[0.75, 4 / 3]])
    return [CropBox(*random_resized_crops(size, (0.1, 0.3), ratios, stream, row)[0].tolist()) for _ in range(count)]


def shown_by(crop: CropBox) -> float:
    place = np.array([[crop.top, crop.left, crop.height, crop.width]])
    return visible_share(np.array([BOX], np.float32), place, np.array([[80, 120]]))[0]


def test_refuse_draws_the_same_stream_on_until_the_object_is_in_view():
    augment = augmentation(**SMALL_CROPS)
    redrawn = 0
    for index in range(100):
        crops = drawn(index, 3, 10)
        good = [crop for crop in crops if shown_by(crop) >= 0.5]
        seen = augment.train(sample(index), 40, 1.0, seed=0, epoch=3)
        if good:
            redrawn += good[0] is not crops[0]
            height, width = good[0].height, good[0].width
            expected = np.clip((np.array([36, 24]) - [good[0].left, good[0].top]) / [width, height], 0, 1)
            np.testing.assert_allclose(seen["box"][2:], expected, atol=1e-6)
            assert seen["label"] == 2
        else:  # evaluation's own view: the central square from x = 20 shows 16 of the 36 columns, less than half
            assert seen["label"] == 0
    assert redrawn > 20


def test_with_an_object_in_every_evaluation_view_refuse_makes_no_sample_nothing():
    augment = augmentation(**SMALL_CROPS)
    for index in range(200):
        seen = augment.train(sample(index), 40, "whole", seed=0, epoch=0)
        assert seen["label"] == 2
        assert share_in_view(seen) > 0


def test_nothing_takes_the_first_crop_and_says_what_it_shows():
    """The pictures are those of a sample without targets: only the label knows."""
    augment = augmentation(**SMALL_CROPS, lost_object="nothing")
    lost = 0
    for index in range(100):
        plain = {"image": sample(index)["image"], "index": index}
        seen, bare = (augment.train(one, 40, 1.0, seed=0, epoch=0) for one in (sample(index), plain))
        assert (seen["image"] == bare["image"]).all()
        assert (seen["label"] == 0) == (not seen["box"].any())
        lost += seen["label"] == 0
    assert 20 < lost < 100


def test_evaluation_calls_what_its_view_has_lost_nothing():
    """The central square begins at x = 20 of the object's 36 columns, that of three quarters at x = 30: 6 / 36.

    What training takes for lost does not change the truth: 16 / 36 is in view whatever `min_box_share` says.
    """
    seen = augmentation().evaluate(sample(), 40, 0.75)
    assert seen["label"] == 0
    assert not seen["box"].any()
    assert augmentation(min_box_share=0.95).evaluate(sample(), 40, 1.0)["label"] == 2
    whole = augmentation().evaluate(sample(), 40, "whole")
    np.testing.assert_allclose(whole["box"], BOX, atol=1e-6)
    assert whole["image"].shape == (40, 40, 3)
    assert share_in_view(whole) == pytest.approx(0.09, abs=0.01)


def test_a_picture_of_nothing_and_one_without_a_label_are_not_concerned():
    augment = augmentation(**SMALL_CROPS)
    nothing, unlabelled = sample(label=0, box=[0.0] * 4), sample()
    del unlabelled["label"]
    plain = augment.train({"image": sample()["image"], "index": 0}, 40, 1.0, seed=0, epoch=0)
    assert shown_by(drawn(0, 0, 1)[0]) < 0.5  # it would have been drawn again
    assert (augment.train(unlabelled, 40, 1.0, seed=0, epoch=0)["image"] == plain["image"]).all()
    assert augment.train(nothing, 40, 1.0, seed=0, epoch=0)["label"] == 0


@pytest.mark.parametrize(("shift", "label"), [(0.1, 2), (0.2, 0)])
def test_transforms_that_lose_the_object_make_it_nothing(shift, label):
    """The box takes 0.3 of the width: moved out by 0.1, two thirds of it stay, by 0.2 one third."""
    move = A.Affine(translate_percent={"x": (-shift, -shift), "y": (0, 0)}, p=1)
    augment = augmentation(transforms={"move": move}, lost_object="nothing")
    seen = augment.train(sample(), 40, "whole", seed=0, epoch=0)
    assert seen["label"] == label
    assert seen["box"].any() == bool(label)


def test_transforms_that_lose_the_object_are_drawn_again():
    move = A.Affine(translate_percent={"x": (-0.3, 0.3), "y": (0, 0)}, p=1)
    augment = augmentation(transforms={"move": move})
    found = [augment.train(sample(index), 40, "whole", seed=0, epoch=0) for index in range(60)]
    again = [augment.train(sample(index), 40, "whole", seed=0, epoch=0) for index in reversed(range(60))]
    assert all((one["image"] == other["image"]).all() for one, other in zip(found, reversed(again), strict=True))
    assert {one["label"] for one in found} == {2}
    lefts = np.array([one["box"][0] for one in found])
    widths = np.array([one["box"][2] - one["box"][0] for one in found])
    assert widths.min() >= 0.15 - 1e-6  # half of the object
    assert lefts.max() > 0.15


def test_a_transform_that_always_loses_the_object_is_left_out():
    away = A.Affine(translate_percent={"x": (0.9, 0.9), "y": (0, 0)}, p=1)
    seen = augmentation(transforms={"away": away}).train(sample(), 40, "whole", seed=0, epoch=0)
    plain = augmentation().train(sample(), 40, "whole", seed=0, epoch=0)
    assert (seen["image"] == plain["image"]).all()
    assert seen["label"] == 2


def test_of_a_stretched_image_the_crops_are_stretched_too():
    """A crop of the whole area and the ratio 1 is the whole image, not a square that cannot be had."""
    augment = augmentation(crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0))
    seen, whole = augment.train(sample(), 40, "whole", seed=0, epoch=0), augment.evaluate(sample(), 40, "whole")
    assert (seen["image"] == whole["image"]).all()


class Boxes(Source):
    """Two pictures of 100 x 200 of one class, with a box each, and one of nothing."""

    targets = ("label", "box")
    classes = ("nothing", "thing")

    def setup(self):
        pass

    def __len__(self):
        return 3

    def read(self, index):
        raise NotImplementedError

    def labels(self):
        return np.array([1, 1, 0])

    def splits(self):
        return {"train": np.arange(3)}

    def boxes(self, indices):
        return np.array([[0.4, 0.0, 0.6, 1.0], [0.0, 0.0, 0.2, 1.0], [0.0] * 4], np.float32)[indices]

    def sizes(self, indices):
        return np.tile([100, 200], (len(indices), 1))


def test_mean_boxes_are_of_what_evaluation_sees():
    """The central square begins at x = 50 of 200: 80 to 120 becomes 0.3 to 0.7, and 0 to 40 is out of it."""
    nowhere = (0.0, 0.0, 0.0, 0.0)
    whole = mean_boxes(Boxes(), np.arange(3), 50, "whole")
    assert whole[0] == nowhere
    assert whole[1] == pytest.approx((0.2, 0.0, 0.4, 1.0))
    assert mean_boxes(Boxes(), np.arange(3), 50, 1.0)[1] == pytest.approx((0.3, 0.0, 0.7, 1.0))
    assert mean_boxes(Boxes(), np.array([2]), 50, 1.0) == (nowhere, nowhere)


def test_the_drawn_shapes_know_their_boxes():
    source = Shapes(size=32, train=20, val=5, test=5, identities=7, max_objects=2, nothing=0.2, seed=0)
    for index in range(0, 20, 2):
        source.fingerprint(index)
    boxes = source.boxes(np.arange(20))
    assert (boxes == np.stack([source.read(index)["box"] for index in range(20)])).all()
    assert source.sizes(np.arange(2)).tolist() == [[32, 32], [32, 32]]


def test_a_source_of_boxes_without_nothing_is_refused(tmp_path):
    source = Boxes()
    source.classes = ("thing", "other")
    data = ImageData(
        source=source, root=".", image_size=50, batch_size=1, num_workers=0, val_fraction=0.0, test_fraction=0.2,
        working_size=None, working_shape="keep", store="files", store_budget=0.0, stream=None, stream_cache=1.0,
        shuffle_window=None,
        folds=5, fold=None, normalize="none", eval_crop=1.0, on_bad_sample="stop", repeated="keep", limit=None,
        train_per_class=None,
        on_rare_class="stop", cache_dir=str(tmp_path), augment=augmentation(), seed=0,
    )  # fmt: skip
    with pytest.raises(UserError, match="its first class must be `nothing`; its classes are thing, other"):
        data.open()
