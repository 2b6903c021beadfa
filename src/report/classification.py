"""What a classifier got right and wrong: the sections of its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from src.metrics.extremes import MAX_MISTAKES as MAX_MISTAKES
from src.metrics.extremes import MAX_RIGHT, THRESHOLD, mistakes, mistakes_of_several, surest_right
from src.report.layout import Section, render
from src.report.numbers import percent
from src.report.pictures import Picture, gallery
from src.report.scores import Bools, Floats, Ints, Probabilities, class_scores, confusion_matrix

Images = Callable[[int], NDArray[np.uint8]]

MAX_TABLE = 25
"""Classes up to which the confusion matrix is a table of figures; beyond, it is a picture."""
MAX_CELLS = 6000
"""Entries of that picture: of more, the largest are drawn."""
MAX_PAIRS = 10
SUREST = f"Of each class the image that was classified rightly with most certainty; of many, {MAX_RIGHT} classes."


def sections_from(values: Mapping[str, NDArray[Any]], images: Images, split: str) -> list[Section]:
    """Return the sections of answers that were kept (`src.answers`)."""
    classes, paths = values["classes"].tolist(), values["paths"].tolist()
    return classification_sections(classes, values["probabilities"], values["label"], images, paths, split)


def classification_sections(
    classes: Sequence[str],
    probabilities: Probabilities,
    labels: Ints,
    images: Images,
    paths: Sequence[str],
    split: str,
) -> list[Section]:
    """Confusion matrix, figures per class, worst mistakes and surest right answers of N evaluated samples.

    `probabilities` (N, K); `labels` (N,) class indices, or (N, K) of zeros and ones where an image may have several
    classes: then there is no confusion matrix. `images(i)` gives sample i for display, uint8 (H, W, C), and is called
    for the few that are shown; `paths` are relative to the data's root.
    """
    answers = _Answers(classes, probabilities, labels, images, paths)
    if answers.several:
        sections = {
            "Classes": _class_table(answers),
            "Worst mistakes": _gallery(
                _several_mistakes(answers), "The class furthest from the truth, then what is there."
            ),
        }
    else:
        sections = {
            "Confusion matrix": confusion(classes, labels, answers.predicted),
            "Classes": _class_table(answers),
            "Worst mistakes": _gallery(
                _mistakes(answers), "The predicted class, then the true one, with their probabilities."
            ),
            "Surest right answers": _gallery(_right(answers), SUREST),
        }
    return [Section(f"{title}, {split}", html) for title, html in sections.items()]


@dataclass(frozen=True)
class _Answers:
    classes: Sequence[str]
    probabilities: Probabilities
    labels: Ints
    images: Images
    paths: Sequence[str]

    @property
    def several(self) -> bool:
        return self.labels.ndim == 2

    @cached_property
    def predicted(self) -> Ints:
        """The likeliest class (N,)."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @cached_property
    def truth_NK(self) -> Bools:
        return self.labels.astype(np.bool_) if self.several else self._one_hot(self.labels)

    @cached_property
    def predicted_NK(self) -> Bools:
        if self.several:
            return np.asarray(self.probabilities > THRESHOLD)
        return self._one_hot(self.predicted)

    def _one_hot(self, indices: Ints) -> Bools:
        return np.equal.outer(indices, np.arange(len(self.classes)))

    def says(self, i: int, k: int, before: str = "") -> tuple[str, str]:
        return before + self.classes[k], percent(float(self.probabilities[i, k]))

    def picture(self, i: int, *lines: tuple[str, str]) -> Picture:
        return Picture(self.images(i), lines, self.paths[i])


def confusion(classes: Sequence[str], labels: Ints, predicted: Ints) -> Markup:
    """Return the confusion matrix of true (N,) and predicted (N,) classes, and the pairs most often confused."""
    counts = confusion_matrix(labels, predicted, len(classes))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    mistaken = counts * ~np.eye(len(classes), dtype=bool)
    return render(
        "confusion.html",
        classes=classes,
        counts=counts.tolist(),
        shares=shares.tolist(),
        right=int(np.trace(counts)),
        total=len(labels),
        pairs=_largest(mistaken, MAX_PAIRS),
        cells=[] if len(classes) <= MAX_TABLE else _largest(counts, MAX_CELLS),
        entries=int(np.count_nonzero(counts)),
    )


def _largest(counts: Ints, limit: int) -> list[tuple[int, int]]:
    """(row, column) of the largest entries above zero, largest first, then in reading order."""
    order = np.argsort(-counts, axis=None, kind="stable")[: min(limit, np.count_nonzero(counts))]
    return [divmod(int(flat), counts.shape[1]) for flat in order]


def _class_table(answers: _Answers) -> Markup:
    scores = class_scores(answers.truth_NK, answers.predicted_NK, answers.probabilities)
    columns = {
        "precision": scores.precision,
        "recall": scores.recall,
        "F1": scores.f1,
        "average precision": scores.average_precision,
    }
    return class_table(answers.classes, columns, scores.support, THRESHOLD if answers.several else None)


def class_table(
    classes: Sequence[str], columns: Mapping[str, Floats], support: Ints, threshold: float | None = None
) -> Markup:
    """Return a table of figures per class (K,), how many samples there are, and the means of the classes with samples.

    `threshold` is said to be the probability above which a class counts as predicted.
    """
    there = {name: values[(support > 0) & ~np.isnan(values)] for name, values in columns.items()}
    means = {name: values.mean() if len(values) else np.nan for name, values in there.items()}
    return render(
        "classes.html",
        classes=classes,
        columns=columns,
        means=means,
        support=support.tolist(),
        threshold=threshold,
    )


def _gallery(pictures: Sequence[Picture], legend: str) -> Markup:
    return Markup("<p>{}</p>{}").format(legend if pictures else "None.", gallery(pictures))


def _mistakes(answers: _Answers) -> list[Picture]:
    labels, predicted = answers.labels, answers.predicted
    return [
        answers.picture(i, answers.says(i, predicted[i]), answers.says(i, labels[i], "is "))
        for i in mistakes(answers.probabilities, labels).tolist()
    ]


def _several_mistakes(answers: _Answers) -> list[Picture]:
    truth = answers.truth_NK
    pictures = []
    for i, k in zip(*(part.tolist() for part in mistakes_of_several(answers.probabilities, truth)), strict=True):
        present = ", ".join(name for name, there in zip(answers.classes, truth[i], strict=True) if there)
        worst_class = answers.says(i, k, "misses " if truth[i, k] else "")
        pictures.append(answers.picture(i, worst_class, (f"is {present or 'none of them'}", "")))
    return pictures


def _right(answers: _Answers) -> list[Picture]:
    labels = answers.labels.tolist()
    return [
        answers.picture(i, answers.says(i, labels[i]))
        for i in surest_right(answers.probabilities, answers.labels).tolist()
    ]
