"""How well a localizer's boxes fit, and what it took for what: the sections of its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from markupsafe import Markup
from numpy.typing import NDArray

from src.metrics.extremes import MAX_BEST, MAX_WORST, boxes_by_fit, wrong_about_nothing
from src.metrics.localization import FITS, is_localized, paired_iou
from src.report.boxes import PREDICTED, TRUE, legend, outlined
from src.report.charts import Series, line_chart
from src.report.classification import class_table, confusion
from src.report.layout import Section
from src.report.numbers import number, percent, share
from src.report.pictures import Picture, gallery
from src.report.scores import Bools, Floats, Ints, Probabilities

Boxes = NDArray[np.float32]

MAX_LINES = 5
"""Classes that have a line of their own in the chart."""


def sections_from(
    values: Mapping[str, NDArray[Any]], images: Callable[[int], NDArray[np.uint8]], split: str
) -> list[Section]:
    """Return the sections of answers that were kept (`src.answers`)."""
    return localization_sections(
        values["classes"].tolist(),
        values["probabilities"],
        values["label"],
        values["box"],
        values["true_box"],
        values["mean_boxes"].tolist(),
        images,
        values["paths"].tolist(),
        split,
    )


def localization_sections(
    classes: Sequence[str],
    probabilities: Probabilities,
    labels: Ints,
    boxes: Boxes,
    true_boxes: Boxes,
    mean_boxes: Sequence[Sequence[float]],
    images: Callable[[int], NDArray[np.uint8]],
    paths: Sequence[str],
    split: str,
) -> list[Section]:
    """How boxes fit, class by class, the worst and best of them, and the confusion matrix, of N evaluated samples.

    `probabilities` (N, K + 1), `labels` (N,) with 0 for `nothing`, both boxes (N, 4) as relative corners, `mean_boxes`
    those of the classes in train, or none. `images(i)` gives sample i, uint8 (H, W, C), for the few that are shown.
    """
    answers = _Answers(classes, probabilities, labels, boxes, true_boxes, np.array(mean_boxes, np.float32))
    show = _Pictures(answers, images, paths)
    order = boxes_by_fit(answers.iou, labels)
    boxes_legend = legend(("predicted", PREDICTED), ("true", TRUE))
    sections = {
        "Boxes": _fit(answers) + _by_class(answers),
        "Worst boxes": boxes_legend + gallery([show.both(i) for i in order[:MAX_WORST].tolist()]),
        "Best boxes": boxes_legend + gallery([show.both(i) for i in order[::-1][:MAX_BEST].tolist()]),
        "Confusion matrix": confusion(classes, labels, answers.predicted),
        "Wrong about nothing": _about_nothing(answers, show),
    }
    return [Section(f"{title}, {split}", html) for title, html in sections.items() if html]


@dataclass(frozen=True)
class _Answers:
    classes: Sequence[str]
    probabilities: Probabilities
    labels: Ints
    boxes: Boxes
    true_boxes: Boxes
    mean_boxes: Boxes

    @cached_property
    def predicted(self) -> Ints:
        """The likeliest class (N,)."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @cached_property
    def objects(self) -> Ints:
        """The samples that show an object."""
        return np.flatnonzero(self.labels > 0)

    @cached_property
    def iou(self) -> Floats:
        """Of predicted and true box (N,); of no meaning where the image shows nothing."""
        return _iou(self.boxes, self.true_boxes)

    @cached_property
    def mean_box_iou(self) -> Floats | None:
        return _iou(self.mean_boxes[self.labels], self.true_boxes) if len(self.mean_boxes) else None

    @cached_property
    def localized(self) -> Bools:
        predicted, labels, iou = map(torch.from_numpy, (self.predicted, self.labels, self.iou))
        found = is_localized(predicted, labels, iou)
        return np.asarray(found.numpy(), np.bool_)


@dataclass(frozen=True)
class _Pictures:
    answers: _Answers
    images: Callable[[int], NDArray[np.uint8]]
    paths: Sequence[str]

    def both(self, i: int) -> Picture:
        """Sample i with both boxes, the fit, and the class, beside the true one where that is another."""
        answers = self.answers
        boxes = [(answers.true_boxes[i].tolist(), TRUE), (answers.boxes[i].tolist(), PREDICTED)]
        lines = [("IoU", share(float(answers.iou[i]))), self._says(i, int(answers.predicted[i]))]
        if answers.predicted[i] != answers.labels[i]:
            lines.append(self._says(i, int(answers.labels[i]), "is "))
        return Picture(outlined(self.images(i), boxes), lines, self.paths[i])

    def mistaken(self, i: int) -> Picture:
        """Sample i with the box that is predicted or true, where one of the two classes is `nothing`."""
        answers = self.answers
        found = answers.labels[i] == 0
        box = (answers.boxes[i].tolist(), PREDICTED) if found else (answers.true_boxes[i].tolist(), TRUE)
        lines = [self._says(i, int(answers.predicted[i])), self._says(i, int(answers.labels[i]), "is ")]
        return Picture(outlined(self.images(i), [box]), lines, self.paths[i])

    def _says(self, i: int, k: int, before: str = "") -> tuple[str, str]:
        return before + self.answers.classes[k], percent(float(self.answers.probabilities[i, k]))


def _fit(answers: _Answers) -> Markup:
    """A chart of the share of images whose IoU reaches a bound, over the bound; below each line lies its mean IoU."""
    if not len(answers.objects):
        return Markup("<p>No image shows an object.</p>")
    bounds = np.linspace(0, 1, 51)

    def line(label: str, iou: Floats, tone: int, *, faint: bool = False) -> Series:
        reached = (iou[None] >= bounds[:, None]).mean(axis=1)
        return Series(label, bounds.tolist(), reached.tolist(), tone, faint, number(float(iou.mean())))

    counts = np.bincount(answers.labels[answers.objects], minlength=len(answers.classes))
    shown = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k]]
    lines = [line("all", answers.iou[answers.objects], 0)]
    if answers.mean_box_iou is not None:
        lines.append(line("mean box", answers.mean_box_iou[answers.objects], 0, faint=True))
    if 1 < len(shown) <= MAX_LINES:
        lines += [line(answers.classes[k], answers.iou[answers.labels == k], t) for t, k in enumerate(shown, 1)]
    chart = line_chart(
        "Share of images with at least this IoU, and its mean", lines, "IoU", x_text=lambda x: f"IoU {x:.2f}"
    )
    about = "The faint line is what the mean box of each true class in train would reach."
    words = about if answers.mean_box_iou is not None else ""
    return Markup('<div class="charts">{}</div><p>{}</p>').format(chart, words)


def _by_class(answers: _Answers) -> Markup:
    columns: dict[str, Floats] = {
        "accuracy": _means(answers, answers.predicted == answers.labels),
        f"right and IoU ≥ {FITS}": _means(answers, answers.localized),
        "mean IoU": _means(answers, answers.iou, of_nothing=False),
    }
    if answers.mean_box_iou is not None:
        columns["of the mean box"] = _means(answers, answers.mean_box_iou, of_nothing=False)
    return class_table(answers.classes, columns, np.bincount(answers.labels, minlength=len(answers.classes)))


def _means(answers: _Answers, values: NDArray[np.generic], *, of_nothing: bool = True) -> Floats:
    """The mean of values (N,) over each class (K + 1,), not a number where there are no images."""
    found = [values[answers.labels == k] for k in range(len(answers.classes))]
    each = [float(np.mean(members.astype(np.float64))) if len(members) else np.nan for members in found]
    return np.array(each if of_nothing else [np.nan, *each[1:]])


def _about_nothing(answers: _Answers, show: _Pictures) -> Markup:
    worst = wrong_about_nothing(answers.probabilities, answers.labels).tolist()
    if not worst:
        return Markup("")
    return legend(("predicted", PREDICTED), ("true", TRUE)) + gallery([show.mistaken(i) for i in worst])


def _iou(boxes: Boxes, others: Boxes) -> Floats:
    found = paired_iou(torch.from_numpy(boxes.astype(np.float64)), torch.from_numpy(others.astype(np.float64)))
    return np.asarray(found.numpy(), np.float64)
