"""Targets that have a place in the image, on their way through albumentations' transforms and back.

Two things go through them beside the image, and every target follows from these:

- points, whose way albumentations gets exactly right: `keypoints`, the corners of boxes, and three of a frame, which
  tell whether the image was mirrored. A box is what encloses its turned corners; where it was turned and has a mask,
  what encloses the mask.
- the number of each pixel, as a mask: where it has gone, with -1 where nothing of the image is. Masks are looked up.

What albumentations does to a box or a mask itself is not used: it moves boxes by dropouts, by half a pixel in some
rotations and by whole ones in others, and fills masks with class 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from src.data.crop import PER_OBJECT, swapped
from src.data.sources.base import Sample
from src.data.transform_rules import IGNORED, OBJECTS, PLACED
from src.data.transforms import rule_of

FlipPairs = Sequence[tuple[int, int]]
"""Which points trade places in a mirror image."""


@dataclass(frozen=True)
class Shares:
    """What share of a box must stay in the image: of each of `boxes`, and of the single `box`."""

    boxes: float
    box: float


_FRAME = np.array([[0, 0], [1, 0], [0, 1]])


def compose_arguments(sample: Sample, moving: int) -> dict[str, Any]:
    """Return what albumentations' Compose must be told for samples with these targets, and so many moving transforms.

    The names differ from albumentations' own, so that it binds them anew, to what `prepare` has made of transforms.
    """
    if not moving or not any(key in sample for key in PLACED):
        return {}
    arguments: dict[str, Any] = {"additional_targets": {"places": "mask", "points": "keypoints"}}
    if any(key in sample for key in OBJECTS):  # without the option it would drop points outside and lose their order
        arguments["keypoint_params"] = {"format": "xy", "remove_invisible": False}
    return arguments


def prepare(transform: Any) -> None:
    """Make a transform, a copy of the user's, exact for what goes through it beside the image."""
    rule = rule_of(transform)
    if hasattr(transform, "fill_mask"):
        transform.fill_mask = -1 if rule.moves else None  # TimeMasking would fill with 0
    if rule.moves and getattr(transform, "border_mode", cv2.BORDER_CONSTANT) != cv2.BORDER_CONSTANT:
        transform.apply_to_mask = _ending_at_the_border(transform, transform.apply_to_mask)
    if rule.resizes:
        transform.mask_interpolation = cv2.INTER_NEAREST_EXACT
        transform.apply_to_keypoints = _from_the_edge(transform.apply_to_keypoints)


def _ending_at_the_border(transform: Any, apply: Callable[..., Any]) -> Callable[..., Any]:
    """Return how a mask is transformed whose image goes on beyond its border: it does not."""

    def apply_to_mask(mask: Any, *arguments: Any, **parameters: Any) -> Any:
        border, transform.border_mode = transform.border_mode, cv2.BORDER_CONSTANT
        try:
            return apply(mask, *arguments, **parameters)
        finally:
            transform.border_mode = border

    return apply_to_mask


def _from_the_edge(apply: Callable[..., Any]) -> Callable[..., Any]:
    """Return how points are resized whose 0 is the centre of a pixel: what is scaled is the way from its edge."""
    half = np.array([0.5, 0.5])

    def apply_to_keypoints(points: Any, *arguments: Any, **parameters: Any) -> Any:
        moved = np.array(points, np.float64)
        moved[:, :2] += half
        moved = np.array(apply(moved, *arguments, **parameters), np.float64)
        moved[:, :2] -= half
        return moved

    return apply_to_keypoints


def compose_data(sample: Sample, moving: int) -> dict[str, Any]:
    """Return image, points and the places of pixels as Compose takes them; of these what the targets need.

    With several transforms that move pixels it is followed what leaves the image and comes back: it is gone.
    """
    image = np.ascontiguousarray(sample["image"])
    height, width = image.shape[:2]
    data: dict[str, Any] = {"image": image}
    if not moving:
        return data
    if any(key in sample for key in OBJECTS):
        points = [_FRAME * [width, height], _corners(_boxes(sample)).reshape(-1, 2)]
        if "keypoints" in sample:
            points.append(sample["keypoints"] * [width, height])
        data["points"] = np.concatenate(points) - 0.5  # for albumentations 0 is a pixel's centre
    if "mask" in sample or "masks" in sample or (moving > 1 and "points" in data):
        data["places"] = np.arange(height * width, dtype=np.float32).reshape(height, width)  # exact up to 2**24
    return data


def transformed(sample: Sample, found: Mapping[str, Any], shares: Shares, flip_pairs: FlipPairs) -> Sample:
    """Return the sample with image and targets as Compose gave them back.

    Objects of which less than the share is left in the image go from all their lists; a single `box` that is lost is
    all zeros. In a mirror image the points of `flip_pairs` trade places.
    """
    image = found["image"]
    seen = sample | {"image": image.reshape(*image.shape[:2], -1)}
    places = np.asarray(found["places"]).astype(np.int64) if "places" in found else None
    if places is not None:
        seen |= {key: looked_up(sample[key], places, fill) for key, fill in _FILLS if key in sample}
    if "points" in found:
        points = np.asarray(found["points"], np.float64).reshape(-1, 2) + 0.5
        corners = len(_boxes(sample)) * 4
        frame, quads, rest = np.split(points, [3, 3 + corners])
        if corners:
            seen |= _moved_boxes(sample, seen, quads.reshape(-1, 4, 2), places, shares)
        if "keypoints" in sample:
            sides = frame[1:] - frame[0]
            mirrored = bool(sides[0, 0] * sides[1, 1] < sides[0, 1] * sides[1, 0])
            seen |= _moved_points(sample, rest, image.shape, places, flip_pairs if mirrored else ())
    return seen


_FILLS = (("mask", IGNORED), ("masks", 0))


def looked_up(masks: NDArray[Any], places: NDArray[np.int64], fill: int) -> NDArray[Any]:
    """Return masks (..., H, W) with the value at each place (H, W) of the new image, `fill` where it is -1."""
    *many, height, width = masks.shape
    values = masks.reshape(*many, height * width)[..., np.maximum(places, 0)]
    return np.where(places < 0, np.array(fill, masks.dtype), values)


def _boxes(sample: Sample) -> NDArray[np.float64]:
    """Return `boxes` and, as the last, `box` (N, 4), all in pixels."""
    height, width = sample["image"].shape[:2]
    boxes = [sample["boxes"].reshape(-1, 4)] if "boxes" in sample else []
    if "box" in sample:
        boxes.append(sample["box"][None] * np.array([width, height, width, height]))
    return np.concatenate(boxes).astype(np.float64) if boxes else np.empty((0, 4))


def _corners(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners (N, 4, 2) of boxes, in their order around them."""
    x0, y0, x1, y1 = boxes.T
    return np.stack([np.stack([x0, x1, x1, x0], -1), np.stack([y0, y0, y1, y1], -1)], -1)


def _moved_boxes(
    sample: Sample,
    seen: Sample,
    quads: NDArray[np.float64],
    places: NDArray[np.int64] | None,
    shares: Shares,
) -> Sample:
    """Return the objects that are left, of boxes whose corners (N, 4, 2) have gone to `quads`."""
    height, width = seen["image"].shape[:2]
    side = np.array([width, height])
    low, high = quads.min(axis=1), quads.max(axis=1)
    boxes = np.concatenate([np.clip(low, 0, side), np.clip(high, 0, side)], -1)
    whole = np.prod(high - low, axis=1)
    share = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) / np.where(whole > 0, whole, 1)
    if places is not None:
        share = np.minimum(share, _share_by_pixels(_boxes(sample), quads, places, sample["image"].shape[1]))
    found: Sample = {}
    if "box" in sample:
        stays = share[-1] > 0 and share[-1] >= shares.box
        found["box"] = (boxes[-1] / np.tile(side, 2) * stays).astype(np.float32)
        boxes, share, quads, whole = boxes[:-1], share[:-1], quads[:-1], whole[:-1]
    left = (share >= shares.boxes) & (share > 0)
    if "boxes" in sample:
        if "masks" in sample:
            turned = _area(quads) < whole * (1 - 1e-6)
            boxes[turned] = np.array([enclosing(mask) for mask in seen["masks"][turned]]).reshape(-1, 4)
            left &= seen["masks"].any(axis=(1, 2))
        rows = {key: seen[key][left] for key in PER_OBJECT if key in sample}
        found |= rows | {"boxes": boxes[left].astype(np.float32)}
    return found


def enclosing(mask: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Return the box xyxy around what is not 0 in a mask (H, W), zeros where there is nothing."""
    x, y, width, height = cv2.boundingRect(np.asarray(mask != 0, np.uint8))
    return float(x), float(y), float(x + width), float(y + height)


def _area(quads: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area of polygons (N, 4, 2), by the shoelace formula."""
    following = np.roll(quads, -1, axis=1)
    doubled: NDArray[np.float64] = np.sum(quads[..., 0] * following[..., 1] - quads[..., 1] * following[..., 0], axis=1)
    return np.abs(doubled) / 2


def _share_by_pixels(
    boxes: NDArray[np.float64], quads: NDArray[np.float64], places: NDArray[np.int64], width: int
) -> NDArray[np.float64]:
    """Return at most what share of boxes (N, 4) the pixels show that have come from within them.

    Of several transforms one may move a part out of the image and another move its place in again.
    """
    row, column = np.divmod(places, width)
    shares = np.zeros(len(boxes))
    for number, ((x0, y0, x1, y1), area) in enumerate(zip(boxes, _area(quads), strict=True)):
        inside = (places >= 0) & (column + 1 >= x0) & (column <= x1) & (row + 1 >= y0) & (row <= y1)
        edge = np.abs(np.diff(quads[number], axis=0, append=quads[number][:1])).sum() / 2  # pixels that it cuts
        count = int(inside.sum())
        shares[number] = (count + edge) / area if count and area > 0 else 0.0
    return shares


def _moved_points(
    sample: Sample,
    points: NDArray[np.float64],
    shape: tuple[int, ...],
    places: NDArray[np.int64] | None,
    flip_pairs: FlipPairs,
) -> Sample:
    """Return the points (K, 2), in pixels, and which of them are to be seen."""
    side = np.array([shape[1], shape[0]])
    visible = sample["visible"] & ((points >= 0) & (points <= side)).all(axis=-1)
    if places is not None:
        x, y = np.clip(points.astype(int), 0, side - 1).T
        visible &= places[y, x] >= 0
    relative = (points / side).astype(np.float32)
    return {"keypoints": swapped(relative, flip_pairs), "visible": swapped(visible, flip_pairs)}
