"""The localizer's loss: cross entropy, plus what one box costs where there is an object (chapter, section 6.6).

Boxes of the loss are the chapter's (x, y, h, w): upper left corner, height and width, relative to the image. Data and
metrics have (x0, y0, x1, y1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

NOTHING = 0
"""The class index of an image without an object."""

_EPSILON = 1e-7
_LEAST = 1e-3
"""Of an image's side: an area of zero would have no gradient."""

Cost = Callable[[Tensor, Tensor], Tensor]
"""Predicted and true boxes (N, 4) as (x, y, h, w) to costs (N,)."""


def classification_loss(logits: Tensor, label: Tensor, label_smoothing: float) -> Tensor:
    """Return C_classification: the mean cross entropy of logits (B, K + 1) against labels (B,)."""
    return F.cross_entropy(logits.float(), label, label_smoothing=label_smoothing)


def localization_loss(boxes: Tensor, true_boxes: Tensor, label: Tensor, cost: Cost) -> Tensor:
    """Return (1 - y_nothing) * C_localization, the mean over all B samples; boxes (B, 4) as (x, y, h, w).

    Samples without an object cost nothing but count in the mean, so that processes and batch sizes agree.
    """
    present = label != NOTHING
    # Absent boxes give way to a constant before the cost: a product with zero would still carry a NaN backwards.
    costs = cost(*(torch.where(present[:, None], one, 0.25) for one in (boxes, true_boxes)))
    return torch.where(present, costs, 0).mean()


def mse(boxes: Tensor, true_boxes: Tensor) -> Tensor:
    """Return the mean square of the four differences (the chapter's choice)."""
    return (boxes - true_boxes).square().mean(-1)


def smooth_l1(boxes: Tensor, true_boxes: Tensor) -> Tensor:
    """Return the mean smooth L1 of the four differences, quadratic below 0.1 (Girshick 2015, equation 3, scaled).

    The paper's bound of 1 suits offsets in units of their spread; relative coordinates would never reach it.
    """
    return F.smooth_l1_loss(boxes, true_boxes, reduction="none", beta=0.1).mean(-1)


def giou(boxes: Tensor, true_boxes: Tensor) -> Tensor:
    """Return 1 - GIoU, from 0 to 2 (Rezatofighi et al. 2019, algorithm 1)."""
    low, high, true_low, true_high = _corners(boxes, true_boxes)
    iou, union = _overlap(low, high, true_low, true_high)
    hull = _area(torch.minimum(low, true_low), torch.maximum(high, true_high))
    return 1 - iou + (hull - union) / (hull + _EPSILON)


def diou(boxes: Tensor, true_boxes: Tensor) -> Tensor:
    """Return 1 - IoU plus (distance of the centres / diagonal of the hull) squared (Zheng et al. 2020, equation 7)."""
    low, high, true_low, true_high = _corners(boxes, true_boxes)
    iou, _ = _overlap(low, high, true_low, true_high)
    diagonal = (torch.maximum(high, true_high) - torch.minimum(low, true_low)).square().sum(-1)
    distance = ((low + high - true_low - true_high) / 2).square().sum(-1)
    return 1 - iou + distance / (diagonal + _EPSILON)


def ciou(boxes: Tensor, true_boxes: Tensor) -> Tensor:
    """Return the DIoU loss plus a penalty on the aspect ratio (Zheng et al. 2020, equations 8 to 11)."""
    low, high, true_low, true_high = _corners(boxes, true_boxes)
    iou, _ = _overlap(low, high, true_low, true_high)
    angle, true_angle = (torch.atan2(s[:, 0], s[:, 1] + _EPSILON) for s in (high - low, true_high - true_low))
    v = 4 / math.pi**2 * (true_angle - angle).square()
    alpha = (v / (1 - iou + v + _EPSILON)).detach()
    return diou(boxes, true_boxes) + alpha * v


COSTS: Mapping[str, Cost] = {"mse": mse, "smooth_l1": smooth_l1, "giou": giou, "diou": diou, "ciou": ciou}
"""What `model.box_loss` names."""


def xyxy_to_xyhw(boxes: Tensor) -> Tensor:
    """Turn (..., 4) corners (x0, y0, x1, y1) into (x, y, h, w)."""
    x0, y0, x1, y1 = boxes.unbind(-1)
    return torch.stack([x0, y0, y1 - y0, x1 - x0], -1)


def xyhw_to_xyxy(boxes: Tensor) -> Tensor:
    """Turn (..., 4) of (x, y, h, w) into corners (x0, y0, x1, y1)."""
    x, y, h, w = boxes.unbind(-1)
    return torch.stack([x, y, x + w, y + h], -1)


def _corners(boxes: Tensor, true_boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return lower and upper corners (N, 2) of both.

    A predicted side below `_LEAST` counts as that, with the gradient of one that is there: it can grow again.
    """
    low, sides = boxes[:, :2], boxes[:, 2:].flip(-1)  # (x, y) and (w, h)
    sides = sides + (sides.clamp(min=_LEAST) - sides).detach()
    true_low, true_sides = true_boxes[:, :2], true_boxes[:, 2:].flip(-1).clamp(min=0)
    return low, low + sides, true_low, true_low + true_sides


def _overlap(low: Tensor, high: Tensor, true_low: Tensor, true_high: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU and union (N,)."""
    common = _area(torch.maximum(low, true_low), torch.minimum(high, true_high))
    union = _area(low, high) + _area(true_low, true_high) - common
    return common / (union + _EPSILON), union


def _area(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp(min=0).prod(-1)
