"""The mean box of each class in train: what a localizer must do better than."""

from __future__ import annotations

import numpy as np

from src.data.crop import EvalCrop, central_crop, moved
from src.data.sources.base import Indices, Source, WithBoxes
from src.data.working import WorkingSize

MeanBoxes = tuple[tuple[float, float, float, float], ...]


def mean_boxes(
    source: Source, train: Indices, image_size: int, eval_crop: EvalCrop, working: WorkingSize | None = None
) -> MeanBoxes:
    """Return the mean box of each class, xyxy relative to what evaluation sees of an image; zeros without any.

    It is empty where the source knows no boxes.
    """
    if not isinstance(source, WithBoxes):
        return ()
    labels, boxes = source.labels()[train], source.boxes(train).astype(np.float64)
    for row, (height, width) in enumerate(source.sizes(train).tolist()):
        height, width = (height, width) if working is None else working.of(height, width)
        crop = central_crop(height, width, image_size, eval_crop)
        boxes[row] = moved(boxes[row].reshape(2, 2), crop, height, width).reshape(4)
    seen = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])  # not lost to the crop
    members = [boxes[(labels == number) & seen] for number in range(len(source.classes))]
    means = [(rows.mean(axis=0) if len(rows) else np.zeros(4)).tolist() for rows in members]
    return tuple((x0, y0, x1, y1) for x0, y0, x1, y1 in means)
