"""What the splits of a data set are called in the world: in folders, in lists, in columns and in the names of files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, get_args

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

_WORDS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "validate", "validating", "dev", "development"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""The words of each split; `dev` and `eval` as Hugging Face's datasets read them."""
_BOTH = ("trainval", "trainvalid", "trainvalidation")
_BESIDE = (
    "set",
    "sets",
    "split",
    "subset",
    "image",
    "images",
    "img",
    "imgs",
    "seg",
    "data",
    "dataset",
    "list",
    "label",
    "labels",
    "annotation",
    "annotations",
)
"""Words that add nothing: seg_train, training_set, train_images, val2017."""

_MEANT: dict[str, Split] = {word: split for split, words in _WORDS.items() for word in words}
_PATTERN = re.compile(
    r"(?:{beside})*(?P<word>{words})(?:{beside})*".format(
        beside="|".join([*_BESIDE, r"\d"]), words="|".join([*_MEANT, *_BOTH])
    )
)


WORD = re.compile(r"(?<![a-z])({})(?![a-z])".format("|".join([*_BOTH, *_MEANT])), re.IGNORECASE)
"""A word of a split within a longer name: instances_train2017."""


def split_named(name: str) -> Split | Literal["trainval"] | None:
    """Return the split that a name is usual for, or None where it is no split's name.

    Case does not count, nor do spaces, underscores, hyphens, dots and digits, nor words that only say that it is a set
    or that images are in it: `Train`, `seg_train`, `training_set`, `val2017`, `Test Images`. All of the name must be
    such words: `trainer`, `valley`, `test_strip` and `train station` are none. `trainval` is training and validation
    images in one, as Pascal VOC has it.
    """
    found = _PATTERN.fullmatch(re.sub(r"[\s_.+&-]+", "", name.casefold()))
    if found is None:
        return None
    word = found["word"]
    return "trainval" if word in _BOTH else _MEANT[word]


def by_split(names: Iterable[str]) -> dict[Split, list[str]]:
    """Return the names that are usual for each split, in the order train, val, test; others are left out.

    One that holds training and validation images in one (`trainval`) stands for train where train has no name of its
    own, and is left out where it has.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        split = split_named(name)
        if split is not None:
            found.setdefault(split, []).append(name)
    if "trainval" in found:
        found.setdefault("train", found["trainval"])
    return {split: found[split] for split in SPLITS if split in found}
