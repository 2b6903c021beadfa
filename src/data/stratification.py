"""Parts of a set whose images may have several labels, each label by its share: iterative stratification.

Sechidis, Tsoumakas and Vlahavas 2011, algorithm 1: the label with the fewest images left is dealt out first, each of
its images to the part that still wants most images of that label. A draw by one label of each image, such as its
rarest, would see only what the rarer labels leave of the others. What the last labels then lack, swaps make up for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Sets = NDArray[np.bool_]
"""(N, K) which labels each image has."""
SWAPS = 2000
"""Images that are offered for a swap at most, each against `PARTNERS` of another part."""
PARTNERS = 256


def parts_by_labels(sets: Sets, sizes: Sequence[int], random: np.random.Generator) -> NDArray[np.int64]:
    """Return the part (N,) of each image; part p gets exactly `sizes[p]` of them, which sum up to N.

    Images without any label are dealt out like those of one more. A part wants at least one image of each label that
    has as many as there are parts.
    """
    unlabelled = ~sets.any(axis=1, keepdims=True)
    members = np.concatenate([sets, unlabelled], axis=1)
    aims = _wanted(members.sum(axis=0), sizes)
    wanted: list[list[float]] = aims.tolist()
    room = [float(size) for size in sizes]
    labels_of = [np.flatnonzero(row).tolist() for row in members]
    left = members.sum(axis=0)
    parts = np.full(len(members), -1, np.int64)
    while (left > 0).any():
        label = int(np.where(left > 0, left, np.iinfo(np.int64).max).argmin())
        for image in random.permutation(np.flatnonzero(members[:, label] & (parts < 0))).tolist():
            part = _neediest(wanted[label], room)
            parts[image] = part
            room[part] -= 1
            for other in labels_of[image]:
                wanted[other][part] -= 1
            left[labels_of[image]] -= 1
    _even_out(parts, members, aims, random)
    return parts


def two_parts(sets: Sets, size: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return which images (N,) are drawn: about `size`, so that both sides have each label of two or more images.

    Where labels that stand together make that impossible, the side that is not drawn has it: the one to learn from.
    """
    drawn = np.equal(parts_by_labels(sets, [len(sets) - size, size], random), 1)
    for label in np.argsort(sets.sum(axis=0), kind="stable").tolist():
        if sets[:, label].sum() < 2:
            drawn[sets[:, label]] = False
            continue
        if len(set(drawn[sets[:, label]].tolist())) == 1:
            _bring(drawn, sets, label)
    for label in np.flatnonzero(sets.any(axis=0) & ~sets[~drawn].any(axis=0)):
        drawn[np.flatnonzero(sets[:, label])[0]] = False
    return drawn


def at_least_of_each(sets: Sets, count: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return few images (N,) of which at least `count` have each label, the rarest label's first."""
    chosen = np.zeros(len(sets), np.bool_)
    for label in np.argsort(sets.sum(axis=0), kind="stable").tolist():
        missing = count - int(sets[chosen, label].sum())
        more = random.permutation(np.flatnonzero(sets[:, label] & ~chosen))
        chosen[more[: max(0, missing)]] = True
    return chosen


def _wanted(counts: NDArray[np.int64], sizes: Sequence[int]) -> NDArray[np.float64]:
    """Return how many images (K + 1, P) each part wants of each label, the last of which is to have none."""
    wanted = counts[:, None] * np.asarray(sizes, np.float64) / max(1, sum(sizes))
    enough = counts >= len(sizes)
    enough[-1] = False
    return np.where(enough[:, None], np.maximum(wanted, 1), wanted)


def _neediest(wanted: Sequence[float], room: Sequence[float]) -> int:
    """Return the part with room that wants most; of equals that with most room, then the first."""
    return max((part for part in range(len(room)) if room[part] > 0), key=lambda part: (wanted[part], room[part]))


def _even_out(parts: NDArray[np.int64], members: Sets, aims: NDArray[np.float64], random: np.random.Generator) -> None:
    """Swap images between parts where that brings the labels' counts nearer to the aims; changes `parts`.

    The distance is the sum of the squares of what labels have too much, over how many images they have.
    """
    rows = members / np.sqrt(np.maximum(1, members.sum(axis=0)))
    scale = np.maximum(1, members.sum(axis=0)) ** -0.5
    excess = np.stack([rows[parts == part].sum(axis=0) - aims[:, part] * scale for part in range(aims.shape[1])])
    for image in random.permutation(len(parts))[:SWAPS].tolist():
        others = np.flatnonzero(parts != parts[image])
        others = others if len(others) <= PARTNERS else random.choice(others, PARTNERS, replace=False)
        if not len(others):
            continue
        gained = rows[others] - rows[image]  # by the part of `image`, if it were swapped
        change = (gained * (excess[parts[image]] - excess[parts[others]] + gained)).sum(axis=1)
        best = int(change.argmin())
        if change[best] < -1e-9:
            other = int(others[best])
            excess[parts[image]] += gained[best]
            excess[parts[other]] -= gained[best]
            parts[[image, other]] = parts[[other, image]]


def _bring(drawn: NDArray[np.bool_], sets: Sets, label: int) -> None:
    """Move an image with a label to the side that lacks it, and another back, where no side then lacks another label.

    Changes `drawn`; where nothing can be moved, it stays.
    """
    here = bool(drawn[sets[:, label]][0])  # where all of the label are
    spare = _can_leave(drawn == here, sets)
    movable = np.flatnonzero(spare & sets[:, label])
    if not len(movable):
        return
    image = int(movable[0])
    drawn[image] = not here
    back = np.flatnonzero(_can_leave(drawn != here, sets) & ~sets[:, label])
    if len(back):
        drawn[back[0]] = here


def _can_leave(side: NDArray[np.bool_], sets: Sets) -> NDArray[np.bool_]:
    """Return which images (N,) of a side are not the last there of any of their labels."""
    last = sets[side].sum(axis=0) == 1
    return np.asarray(side & ~(sets & last).any(axis=1))
