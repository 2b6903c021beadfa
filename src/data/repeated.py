"""The same image in two splits, or with two labels, told by what files hold: a test on trained images says little."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from src.data.inspection import Inspection
from src.data.sources.base import Indices, Source
from src.errors import UserError

Repeated = Literal["keep", "leave_out"]

_PAIRS = (("test", "train"), ("val", "train"), ("test", "val"))
_SHOWN = 3  # examples of each kind


def without_repeated(splits: Mapping[str, Indices], found: Inspection) -> dict[str, Indices]:
    """Return splits of which none has an image of another: test keeps its own, val what test has not.

    Raises UserError where nothing is left to train on.
    """
    left = dict(splits)
    for held, other in (("test", "val"), ("test", "train"), ("val", "train")):
        left[other] = left[other][~np.isin(left[other], _also_in(splits[other], splits[held], found.contents))]
    if len(splits["train"]) and not len(left["train"]):
        raise UserError(
            f"data.repeated=leave_out: all {len(splits['train'])} training images are in val or test too; give them "
            "other images, or type data.repeated=keep"
        )
    return left


def repeated_remarks(
    splits: Mapping[str, Indices], found: Inspection, source: Source, name_of: Callable[[int], str]
) -> list[str]:
    """Return a line for each two splits that share images, and one for equal images with different labels."""
    remarks = []
    for first, second in _PAIRS:
        shared = _also_in(splits[first], splits[second], found.contents)
        if len(shared):
            where = _by_content(splits[second], found.contents)
            same = [_pair(name_of(i), name_of(where[found.contents[i]])) for i in shared[:_SHOWN].tolist()]
            remarks.append(
                f"{len(shared)} of {len(splits[first])} {first} images are in {second} too, byte for byte "
                f"({_examples(same, len(shared))}): figures of {first} are too good by that. Remove them, or type "
                f"data.repeated=leave_out, which leaves them out of {second}"
            )
    return remarks + _contradictions(splits, found, source, name_of)


def _contradictions(
    splits: Mapping[str, Indices], found: Inspection, source: Source, name_of: Callable[[int], str]
) -> list[str]:
    """Return a line that counts images that are there twice and are said to show different things."""
    said: dict[str, tuple[str, int]] = {}
    labels, differing, examples = source.labels(), set(), []
    for index in np.unique(np.concatenate(list(splits.values()))).tolist():
        content, truth = found.contents[index], found.truths[index]
        known, first = said.setdefault(content, (truth, index))
        if known != truth:
            if content not in differing:
                names = [source.classes[label] if label >= 0 else "none" for label in (labels[first], labels[index])]
                kinds = f" ({names[0]}, {names[1]})" if names[0] != names[1] else ""
                examples.append(f"{name_of(first)} and {name_of(index)}{kinds}")
            differing.add(content)
    if not differing:
        return []
    count = f"{len(differing)} image{'s are' if len(differing) > 1 else ' is'}"
    return [f"{count} there more than once, with different labels: {_examples(examples[:_SHOWN], len(differing))}"]


def _also_in(indices: Indices, others: Indices, contents: Mapping[int, str]) -> Indices:
    """Return those of `indices` whose content one of `others` has."""
    known = {contents[index] for index in others.tolist()}
    return np.array([index for index in indices.tolist() if contents[index] in known], np.int64)


def _by_content(indices: Indices, contents: Mapping[int, str]) -> dict[str, int]:
    return {contents[index]: index for index in reversed(indices.tolist())}


def _pair(first: str, second: str) -> str:
    return first if first == second else f"{first} = {second}"


def _examples(shown: list[str], count: int) -> str:
    return ", ".join(shown) + ", ..." * (count > len(shown))
