"""Whether data fit what is done with them: the rules of a source, and what a trained model knew."""

from __future__ import annotations

from src.data.sources.base import Source
from src.data.spec import DataSpec
from src.errors import UserError, listed


def require_same_kind(spec: DataSpec, source: Source, *, by_identity: bool) -> None:
    """Raise UserError where a trained model cannot take the images of a source, or knows other classes.

    Models that tell people apart know no classes.
    """
    if spec.channels != source.channels:
        raise UserError(
            f"the run was trained on images of {_channels(spec.channels)}; these data have {source.channels} "
            "(data.source.channels, where there is that key)"
        )
    if not by_identity and spec.classes != tuple(source.classes):
        raise UserError(
            f"the run was trained on the classes {listed(spec.classes)}; these data have {listed(source.classes)}"
        )


def require_nothing_first(source: Source) -> None:
    """Raise UserError where a source has boxes with labels, but no class for an object that is lost from view."""
    if {"box", "label"} <= set(source.targets) and source.classes[:1] != ("nothing",):
        raise UserError(
            f"data.source: {type(source).__name__} provides box and label, so its first class must be `nothing`; its "
            f"classes are {listed(source.classes)}"
        )


def _channels(count: int) -> str:
    return f"{count} channel{'s' * (count != 1)}"
