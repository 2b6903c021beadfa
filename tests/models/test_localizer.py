"""The localizer around any network: its loss, its boxes in pixels, its pictures, and what it refuses."""

from __future__ import annotations

import copy
import functools

import numpy as np
import pytest
import torch
from torch import nn

from src.data.crop import CropBox
from src.data.spec import DataSpec
from src.data.view import View
from src.errors import UserError
from src.models.localizer import Localizer
from src.models.schedules import constant
from src.report.boxes import PREDICTED
from tests.networks.building import LIGHT_FAMILIES, build

CLASSES = ("nothing", "cat", "dog")


def spec(classes=CLASSES, counts=(1, 4, 5)):
    return DataSpec(
        targets=("label", "box"), classes=classes, channels=3, image_size=64, eval_crop=1.0, mean=(0.0,) * 3,
        std=(1.0,) * 3, multilabel=False, num_keypoints=0, class_counts=counts, train_samples=10, digest="",
        mean_boxes=((0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.5, 0.5), (0.0, 0.0, 1.0, 1.0)),
    )  # fmt: skip


def localizer(family="lenet", data=None, changes=None, **overrides):
    """Return a model whose last layer is drawn: an untrained one says the same box of everything."""
    options = {
        "gamma": 1.0, "box_loss": "mse", "box_grid": 2, "box_hidden": [8], "box_dropout": 0.0, "label_smoothing": 0.0,
        "aux_weight": 0.3, "source": None, "trainable": "all", "layer_lr_decay": 1.0, "decay_norm_and_bias": False,
        "channels_last": False, "compile": False, "monitor": "val/mean_iou", "monitor_mode": "max", "seed": 0,
        "optimizer": functools.partial(torch.optim.SGD, lr=0.1),
        "scheduler": functools.partial(constant, warmup_epochs=0),
    }  # fmt: skip
    torch.manual_seed(0)
    network = build(family, num_classes=3, image_size=64, **LIGHT_FAMILIES[family] | (changes or {}))
    model = Localizer(network=network, spec=data or spec(), **options | overrides)
    nn.init.normal_(model.box_head[-1].weight, std=0.1)
    return model


def batch(labels=(1, 0)):
    images = torch.rand(len(labels), 3, 64, 64, generator=torch.Generator().manual_seed(1))
    boxes = torch.tensor([[0.1, 0.2, 0.5, 0.8]]).repeat(len(labels), 1)
    return {"image": images, "label": torch.tensor(labels), "box": boxes, "index": torch.arange(len(labels))}


def test_the_loss_is_cross_entropy_and_gamma_times_the_box_by_hand():
    """The head's last layer says (0.2, 0.2, 0.5, 0.5), true are (0.1, 0.2, 0.6, 0.4): squares 0.01, 0, 0.01, 0.01."""
    model = localizer(gamma=3.0).eval()
    with torch.no_grad():
        model.box_head[-1].weight.zero_()
        model.box_head[-1].bias.copy_(torch.tensor([0.2, 0.2, 0.5, 0.5]))
    loss, found = model.compute_loss(batch())
    entropy = nn.functional.cross_entropy(found.logits, torch.tensor([1, 0]))
    torch.testing.assert_close(loss, entropy + 3 * (0.03 / 4) / 2)


def test_the_box_head_learns_nothing_from_images_of_nothing():
    model = localizer()
    loss, _ = model.compute_loss(batch((0, 0)))
    loss.backward()
    assert all(not parameter.grad.any() for parameter in model.box_head.parameters())
    assert any(parameter.grad.any() for parameter in model.network.parameters())


def test_what_an_absent_box_holds_changes_no_gradient():
    gradients = []
    for noise in (0.0, 7.0):
        model = localizer()
        data = batch((1, 0))
        data["box"][1] += noise
        model.compute_loss(data)[0].backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


@pytest.mark.parametrize("family", LIGHT_FAMILIES)
def test_every_family_learns_both_class_and_box(family):
    model = localizer(family)
    loss, found = model.compute_loss(batch((1, 2)))
    loss.backward()
    assert found.logits.shape == (2, 3)
    assert found.boxes.shape == (2, 4)
    first = next(model.network.parameters())
    assert first.grad.isfinite().all()
    box_gradient = model.box_head[2].weight.grad
    assert box_gradient.isfinite().all()
    assert box_gradient.any()


def test_intermediate_classifiers_are_added_with_their_weight():
    model = localizer("googlenet_bn", aux_weight=0.5).train()
    data = batch((1, 2))
    loss, found = model.compute_loss(data)
    assert len(found.auxiliary) == 2
    entropy = [nn.functional.cross_entropy(scores, data["label"]) for scores in (found.logits, *found.auxiliary)]
    assert loss.item() > (entropy[0] + 0.5 * (entropy[1] + entropy[2])).item()
    without, _ = localizer("googlenet_bn", aux_weight=0.5, gamma=0.0).train().compute_loss(data)
    torch.testing.assert_close(without, entropy[0] + 0.5 * (entropy[1] + entropy[2]))


def test_in_bfloat16_and_channels_last_the_figures_are_float32():
    model = localizer("resnet", channels_last=True)
    with torch.autocast("cpu", torch.bfloat16):
        loss, found = model.compute_loss(batch((1, 2)))
    assert loss.dtype == found.boxes.dtype == torch.float32
    loss.backward()
    assert model.box_head[2].weight.grad.isfinite().all()


def test_a_compiled_network_finds_the_same_boxes():
    """Traced as `model.compile` traces it, with the hook that keeps the features, but without generated code."""
    plain, compiled = (localizer().eval() for _ in range(2))
    compiled.network.compile(backend="eager")
    images = batch()["image"]
    with torch.no_grad():
        plain, compiled = plain(images), compiled(images)
    torch.testing.assert_close(plain.boxes, compiled.boxes, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(plain.logits, compiled.logits, atol=1e-5, rtol=1e-4)


def test_a_copy_for_weight_averaging_is_its_own_model():
    model = localizer().eval()
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.network.features[0].weight.zero_()
        images = batch()["image"]
        assert not torch.equal(model(images).boxes, other(images).boxes)


def test_rows_have_the_box_in_pixels_of_the_image_and_none_for_nothing():
    """An image of 200 x 100, of which the network saw the central square from x = 50."""
    predicted = {
        "probabilities": torch.tensor([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]]),
        "box": torch.tensor([[0.1, 0.2, 0.5, 1.0], [0.0, 0.0, 1.0, 1.0]]),
    }
    views = [View(100, 200, CropBox(0, 50, 100, 100))] * 2
    first, second = localizer().prediction_rows(predicted, views, None)
    assert list(first) == ["class", "probability", "x0", "y0", "x1", "y1", "p(nothing)", "p(cat)", "p(dog)"]
    assert (first["class"], [first[key] for key in ("x0", "y0", "x1", "y1")]) == ("dog", [60, 20, 100, 100])
    assert first["probability"] == pytest.approx(0.7)
    assert (second["class"], [second[key] for key in ("x0", "y0", "x1", "y1")]) == ("nothing", [""] * 4)


def test_predicted_boxes_are_corners_within_the_image():
    model = localizer().eval()
    with torch.no_grad():
        model.box_head[-1].bias.copy_(torch.tensor([0.5, -0.2, 2.0, 0.25]))
        model.box_head[-1].weight.zero_()
        box = model.predicted(batch()["image"])["box"]
    torch.testing.assert_close(box, torch.tensor([[0.5, 0.0, 0.75, 1.0]] * 2))


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_the_drawing_is_a_frame_on_the_image(channels):
    image = np.zeros((300, 400, channels), np.uint8)
    row = {"class": "dog", "probability": 0.7, "x0": 100.0, "y0": 150.0, "x1": 200.0, "y1": 250.0}
    drawn = localizer().drawing(image, row)
    assert drawn.shape == (300, 400, 3)
    frame = (drawn == PREDICTED).all(-1)
    assert frame[200, 99:101].any()
    assert frame[200, 199:201].any()
    assert frame[249:251, 150].any()
    assert not frame[160:240, 110:190].any()
    assert not drawn[260:, 210:].any()
    nothing = localizer().drawing(image, row | {"class": "nothing", "x0": "", "y0": "", "x1": "", "y1": ""})
    assert not nothing[100:].any()  # words alone
    assert nothing[:100].any()


def test_classes_that_do_not_begin_with_nothing_are_a_message():
    with pytest.raises(UserError, match="first class is `nothing`; these data have the classes cat, dog"):
        localizer(data=spec(("cat", "dog"), (1, 2)))


def test_figures_per_class_are_those_of_test_alone():
    model = localizer()
    data = batch((1, 2))
    with torch.no_grad():
        _, found = model.eval().compute_loss(data)
    for split in ("val", "test"):
        model.split_metrics(split).update(**model.metric_inputs(found, data, torch.tensor(1.0)))
    shared = {"loss", "accuracy", "mean_iou", "nothing_recall"}
    shared |= {"localization_accuracy", "localization_error", "mean_localization_accuracy"}
    assert {name.partition("/")[2] for name in model.split_metrics("val").compute()} == shared
    of_test = model.split_metrics("test").compute()
    assert {name.partition("/")[2] for name in of_test} == shared | {
        f"{kind}{name}" for kind in ("mean_iou", "baseline/mean_box_iou") for name in ("", "_cat", "_dog")
    }
    # The true box, 0.4 x 0.6, shares 0.4 x 0.3 with the cats' mean box, 0.5 x 0.5; all of it lies in the dogs'.
    assert float(of_test["test/baseline/mean_box_iou_cat"]) == pytest.approx(0.12 / (0.24 + 0.25 - 0.12))
    assert float(of_test["test/baseline/mean_box_iou_dog"]) == pytest.approx(0.24)
