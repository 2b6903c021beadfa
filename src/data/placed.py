"""Targets that have a place in the image, on their way through albumentations' transforms and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from src.data.sources.base import Sample


def compose_arguments(sample: Sample, min_box_share: float) -> dict[str, Any]:
    """Return what albumentations' Compose must be told for samples with these targets.

    An object of which a transform leaves less than `min_box_share` of its box within the image is lost, where the
    sample has one object with a label; where it has many alone, only one of which nothing is left.

    Without the options a box that leaves the image, or that has no area to begin with, would raise; points that leave
    it would be dropped, and those that stay would lose their order.
    """
    arguments: dict[str, Any] = {}
    if "box" in sample or "boxes" in sample:
        arguments["bbox_params"] = {
            "format": "pascal_voc",
            "label_fields": ["numbers"],
            "clip": True,
            "filter_invalid_bboxes": True,
            "min_visibility": min_box_share if {"box", "label"} <= sample.keys() else 0.0,
        }
    if "keypoints" in sample:
        arguments["keypoint_params"] = {"format": "xy", "remove_invisible": False}
    return arguments


def compose_data(sample: Sample) -> dict[str, Any]:
    """Return image and targets as Compose takes them: `box` as the last of `boxes`, all numbered, all in pixels."""
    image = np.ascontiguousarray(sample["image"])
    side = np.array([image.shape[1], image.shape[0]], np.float32)
    data: dict[str, Any] = {"image": image}
    boxes = [sample["boxes"]] if "boxes" in sample else []
    if "box" in sample:
        boxes.append(sample["box"][None] * np.tile(side, 2))
    if boxes:
        data["bboxes"] = np.concatenate(boxes)
        data["numbers"] = np.arange(len(data["bboxes"]))
    if "keypoints" in sample:
        data["keypoints"] = sample["keypoints"] * side - 0.5  # for points, but not for boxes, 0 is a pixel's centre
    if "mask" in sample:
        data["mask"] = sample["mask"].astype(np.uint8)  # from 0 to 255; it would come back as int32
    if len(sample.get("masks", ())):
        data["masks"] = sample["masks"]
    return data


def transformed(sample: Sample, found: Mapping[str, Any]) -> Sample:
    """Return the sample with image and targets as Compose gave them back.

    Objects of which no box is left go from `boxes`, `labels` and `masks`; a single `box` that is lost is all zeros.
    """
    image = found["image"]
    side = np.array([image.shape[1], image.shape[0]], np.float32)
    seen = sample | {"image": image.reshape(*image.shape[:2], -1)}
    if "masks" in found:
        seen["masks"] = np.asarray(found["masks"], np.uint8)
    if "bboxes" in found:
        boxes = np.asarray(found["bboxes"], np.float32).reshape(-1, 4)
        numbers = np.asarray(found["numbers"], np.int64)  # labels come back as floats
        if "box" in sample:
            last = numbers == len(sample.get("boxes", ()))
            seen["box"] = (boxes[last] / np.tile(side, 2)).sum(axis=0)  # one row, or none: zeros
            boxes, numbers = boxes[~last], numbers[~last]
        if "boxes" in sample:
            seen |= {"boxes": boxes} | {key: seen[key][numbers] for key in ("labels", "masks") if key in sample}
    if "keypoints" in found:
        points = (np.asarray(found["keypoints"], np.float32).reshape(-1, 2) + 0.5) / side
        seen |= {"keypoints": points, "visible": sample["visible"] & ((points >= 0) & (points <= 1)).all(axis=-1)}
    if "mask" in found:
        seen["mask"] = np.asarray(found["mask"], np.int64)
    return seen
