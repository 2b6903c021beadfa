"""The figure by which a classifier is chosen where nobody typed one: `model.monitor=val/${main_figure:}`.

An interpolation, and not a value settled later, so that all that goes by `model.monitor` (checkpoints, schedules,
searches, reports) reads the same name in every configuration, and `compose.yaml` keeps following the data.
"""

from __future__ import annotations

from typing import Any

from omegaconf import OmegaConf

OF_ONE, OF_SEVERAL = "accuracy", "f1"


def several_labels(label_column: Any, label_separator: Any, exclusive: Any = False) -> bool:
    """Return whether a table of labels has several per image: a column for each, or several in one column.

    With `exclusive`, exactly one of the columns is set.
    """
    return label_separator is not None or not (exclusive or isinstance(label_column, str))


def main_figure(_root_: Any) -> str:
    """Return `accuracy`; where an image may have several labels `f1`, the mean over the classes.

    Of several labels most are absent from most images: a network that never finds the rare ones still has an accuracy
    near 1, whereas their F1 is 0. Average precision would be as good a judge of the order, but on a small validation
    split it is 1 before the decisions are right, and the earliest of equals is kept.
    """
    source = OmegaConf.select(_root_, "data.source", default=None) or {}
    column = source.get("label_column")
    return (
        OF_SEVERAL
        if column is not None and several_labels(column, source.get("label_separator"), source.get("exclusive"))
        else OF_ONE
    )


def register() -> None:
    """Make the interpolation known, once in a process."""
    OmegaConf.register_new_resolver("main_figure", main_figure, replace=True)
