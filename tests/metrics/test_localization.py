"""Localization metrics by hand, in any batches, with and without images of nothing."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import box_iou

from src.metrics.localization import MeanIou, localization_metrics, paired_iou

NAMES = ("nothing", "cat", "wild dog")
MEANS = ((0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 1.0), (0.5, 0.5, 1.0, 1.0))


def scores(*predicted):
    return torch.nn.functional.one_hot(torch.tensor(predicted), 3).float()


TRUE = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 1.0, 1.0], [0.0] * 4, [0.0] * 4])
FOUND = torch.tensor(
    [[0.0, 0.0, 0.5, 1.0], [0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0], [0.1, 0.1, 0.9, 0.9], [0.0] * 4]
)
BATCH = {  # IoU: a half, a quarter, all
    "preds": scores(1, 1, 1, 0, 2),
    "target": torch.tensor([1, 1, 2, 0, 0]),
    "boxes": FOUND,
    "true_boxes": TRUE,
    "loss": torch.tensor(2.0),
    "size": 5,
}


def part(rows, loss):
    return {k: v[rows] for k, v in BATCH.items() if k not in ("loss", "size")} | {"loss": loss, "size": rows.stop - rows.start}  # fmt: skip # noqa: E501


def test_figures_by_hand():
    """Right are the first (IoU just a half) and the fourth; the second has the class alone, the third the box alone."""
    metrics = localization_metrics(NAMES, nothing=True, by_class=True, mean_boxes=MEANS)
    metrics.update(**BATCH)
    found = {name: value.item() for name, value in metrics.compute().items()}
    assert found == pytest.approx(
        {
            "loss": 2.0,
            "accuracy": 3 / 5,
            "mean_iou": (1 / 2 + 1 / 4 + 1) / 3,
            "mean_iou_cat": 3 / 8,
            "mean_iou_wild_dog": 1.0,
            "localization_accuracy": 2 / 5,
            "localization_error": 3 / 5,
            # The first reaches one of the ten bounds, the fourth has none to reach.
            "mean_localization_accuracy": (1 / 10 + 1) / 5,
            "nothing_recall": 1 / 2,
            "baseline/mean_box_iou": (1 / 4 + 1 + 1) / 3,
            "baseline/mean_box_iou_cat": 5 / 8,
            "baseline/mean_box_iou_wild_dog": 1.0,
        }
    )


def test_any_division_into_batches_gives_the_same():
    whole, parts = (localization_metrics(NAMES, nothing=True, by_class=True, mean_boxes=MEANS) for _ in range(2))
    whole.update(**BATCH)
    parts.update(**part(slice(0, 1), torch.tensor(4.0)))
    parts.update(**part(slice(1, 5), torch.tensor(1.5)))
    assert {k: v.item() for k, v in parts.compute().items()} == pytest.approx(
        {k: v.item() for k, v in whole.compute().items()}
    )


def test_metrics_of_one_kind_do_not_share_counts():
    """torchmetrics would join metrics whose counts agree after the first batch, and never part them again."""
    metrics = localization_metrics(NAMES, nothing=True, by_class=True, mean_boxes=[[0.0, 0.0, 0.5, 0.5]] * 3)
    same = {"preds": scores(1), "target": torch.tensor([1]), "loss": torch.tensor(0.0), "size": 1}
    first = torch.tensor([[0.0, 0.0, 0.5, 0.5]])
    metrics.update(**same, boxes=first, true_boxes=first)
    metrics.update(**same, boxes=torch.tensor([[0.0, 0.0, 1.0, 1.0]]), true_boxes=torch.tensor([[0.0, 0.0, 1.0, 1.0]]))
    found = metrics.compute()
    assert found["mean_iou"].item() == 1.0
    assert found["baseline/mean_box_iou"].item() == (1 + 1 / 4) / 2


def test_data_without_images_of_nothing_have_no_recall_of_it():
    metrics = localization_metrics(NAMES, nothing=False, by_class=False)
    metrics.update(**part(slice(0, 3), torch.tensor(1.0)))
    assert "nothing_recall" not in metrics.compute()


def test_images_of_nothing_that_only_a_measured_split_has_are_counted_too():
    metrics = localization_metrics(NAMES, nothing=False, by_class=True).clone(prefix="test/")
    metrics.update(**part(slice(0, 5), torch.tensor(1.0)))
    assert metrics.compute()["test/nothing_recall"].item() == 1 / 2


def test_a_figure_over_nothing_is_no_number():
    metrics = localization_metrics(NAMES, nothing=True, by_class=True, mean_boxes=MEANS)
    metrics.update(**part(slice(0, 3), torch.tensor(1.0)))
    found = metrics.compute()
    assert found["nothing_recall"].isnan()
    assert all(value.isfinite() for name, value in found.items() if name != "nothing_recall")
    metrics.reset()
    metrics.update(**part(slice(3, 5), torch.tensor(1.0)))
    found = metrics.compute()
    of_boxes = ["mean_iou", "localization_accuracy", "localization_error", "mean_localization_accuracy"]
    assert all(found[name].isnan() for name in [*of_boxes, "baseline/mean_box_iou"])
    assert all(found[name].isfinite() for name in ("loss", "accuracy", "nothing_recall"))
    assert "mean_iou_cat" not in found


def test_classes_whose_names_differ_in_signs_alone_have_a_figure_each():
    names = ("nothing", "wild dog", "wild-dog", "wild_dog")
    metric = MeanIou(4, names)
    true = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).repeat(3, 1)
    metric.update(torch.tensor([1, 2, 3]), true * torch.tensor([[1.0], [0.5], [0.25]]), true)
    each = {"mean_iou_wild_dog": 1.0, "mean_iou_wild_dog_2": 1 / 4, "mean_iou_wild_dog_3": 1 / 16}
    found = {name: float(value) for name, value in metric.compute().items()}
    assert found == {"mean_iou": pytest.approx((1 + 1 / 4 + 1 / 16) / 3)} | each


def test_paired_iou_is_the_diagonal_of_torchvisions():
    random = torch.Generator().manual_seed(0)
    one, other = (torch.rand(200, 2, 2, generator=random).sort(1).values.reshape(-1, 4) for _ in range(2))
    torch.testing.assert_close(paired_iou(one, other), box_iou(one, other).diagonal())
    assert paired_iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0.0
