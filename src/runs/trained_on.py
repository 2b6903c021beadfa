"""What of a split a run was trained on: images by their content, people by their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from src.data.inspection import short_digest
from src.data.module import ImageData
from src.data.spec import DataSpec
from src.runs.directory import RunDirectory
from src.runs.samples import read_samples

_SHOWN = 3  # examples


@dataclass(frozen=True)
class TrainedOn:
    """How many samples of a split the run was trained on, and how many of the people it shows (None: not asked)."""

    images: int
    people: int | None
    remarks: tuple[str, ...]

    def figures(self) -> dict[str, Any]:
        """Return what an evaluation's file says of it."""
        return {"also_trained_on": self.images} | ({} if self.people is None else {"people_trained_on": self.people})


def trained_on(run: RunDirectory, data: ImageData, split: str) -> TrainedOn | None:
    """Compare a split of opened data with the run's training samples; None where the run has not kept their digests."""
    kept = read_samples(run)
    if kept is None:
        return None
    digests: set[str] = set()
    labels: set[int] = set()
    for line in kept.values():
        shown, _, splits = line.partition("/")
        if "train" in splits.split("/"):
            digests |= set(re.findall(r"(?:^|,)-?\d+:([0-9a-f]+)", shown))
            labels |= {int(label) for label in re.findall(r"(?:^|,)(-?\d+):", shown)}
    indices = data.splits[split]
    seen = [index for index in indices.tolist() if short_digest(data.contents[index]) in digests]
    remarks, kind = [], "" if split == "all" else f" of {split}"
    if seen:
        names = ", ".join(data.name_of(index) for index in seen[:_SHOWN]) + ", ..." * (len(seen) > _SHOWN)
        remarks.append(
            f"{len(seen)} of {len(indices)} images{kind} were trained on, byte for byte ({names}): the figures are "
            "too good by that"
        )
    people = None
    if data.by_identity:
        trained = {name for number, name in enumerate(DataSpec.load(run.data).classes) if number in labels}
        present = [data.source.classes[number] for number in np.unique(data.source.identities()[indices]).tolist()]
        known = [name for name in present if name in trained]
        people = len(known)
        if known:
            shown = ", ".join(known[:_SHOWN]) + ", ..." * (len(known) > _SHOWN)
            remarks.append(
                f"{len(known)} of {len(present)} identities{kind} have the names of some that were trained on "
                f"({shown}): they are no strangers to the network"
            )
    return TrainedOn(len(seen), people, tuple(remarks))
