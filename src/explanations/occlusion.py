"""How an answer changes as part of the image is covered (Zeiler and Fergus 2014, section 4.2; chapter, section 6.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Interval
from numpy.typing import NDArray
from torch import Tensor

from src.errors import UserError
from src.explanations.answers import Answer, Question, What
from src.explanations.drawing import TILE, captioned, framed, row, under_signs, with_box
from src.explanations.given import Given
from src.explanations.images import Item
from src.explanations.layers import final_layer, require_map
from src.explanations.output import Output, file_name, rounded
from src.explanations.subject import Subject
from src.explanations.taps import outputs_of
from src.progress import progress

Window = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of what the network sees, right and bottom exclusive."""

LISTED = 10
"""Most sensitive channels, or places, that are listed."""
YELLOW = (255, 210, 0)


class Occlusion:
    """A patch is moved over each image, or one box is covered; the answer without it is taken from that with it."""

    compares: ClassVar[bool] = True

    def __init__(
        self,
        *,
        what: Literal["auto", "class", "box", "same", "channel"],
        label: str | int | None,
        layer: str | None,
        channel: Annotated[int, Ge(0)] | None,
        patch: Annotated[int, Ge(1)] | Literal["auto"],
        stride: Annotated[int, Ge(1)] | Literal["auto"],
        fill: Annotated[float, Interval(ge=0, le=255)] | Literal["mean"],
        box: list[float] | Literal[True] | None,
        limit: Annotated[int, Ge(1)] | None,
    ) -> None:
        wanted: What = what
        self.question = Question(wanted, label, None if box is not None and channel is None else layer, channel)
        self.layer, self.patch, self.stride, self.fill, self.box, self.limit = layer, patch, stride, fill, box, limit
        if isinstance(box, list) and not (len(box) == 4 and box[0] < box[2] and box[1] < box[3]):
            raise UserError(f"method.box={box}: expected [x0, y0, x1, y1] with x0 < x1 and y0 < y1")
        if box is not None and (patch, stride) != ("auto", "auto"):
            raise UserError("method.box= covers one box: method.patch and method.stride are of a patch that moves")
        if layer is not None and channel is None and box is None:
            raise UserError(f"method.layer={layer}: also type method.channel=NUMBER, or method.box= to list channels")

    def explain(self, given: Given) -> None:
        """Write a picture per image, the change at each place, and a summary."""
        subject, output = given.subject, given.output
        question = self.question.settled(subject)
        output.title = "Occlusion"
        if self.box is not None:
            self._explain_box(given, question)
            return
        patch = max(1, subject.image_size // 4) if self.patch == "auto" else self.patch
        stride = max(1, patch // 4) if self.stride == "auto" else self.stride
        if patch > subject.image_size:
            raise UserError(f"method.patch={patch}: the network sees {subject.image_size} px")
        if stride > patch:
            raise UserError(f"method.stride={stride} would leave gaps between patches of {patch} px")
        places = windows(subject.image_size, patch, stride)
        output.words = (
            f"A patch of {patch} px, moved by {stride} px over the {subject.image_size} px that the network sees. Red: "
            "covering this lowers the answer; blue: it raises it. The strongest colour is the largest change of the "
            "image; the yellow square is the patch that lowers the answer most."
        )
        output.numbers = {"patch": patch, "stride": stride, "fill": self.fill, "images": []}
        cover = cover_value(subject, self.fill)
        for item, other, name in given.compared(self.limit):
            answer = question.answer(subject, item, other)
            before, after = occluded(answer.value, subject.normalized(item.batch), places, cover, given.batch_size)
            changes = before - after
            self._write(output, item, name, answer, float(before), changes.numpy(), places, len(given.images))

    def _write(
        self,
        output: Output,
        item: Item,
        name: str,
        answer: Answer,
        before: float,
        changes: NDArray[np.float32],
        places: Sequence[Window],
        count: int,
    ) -> None:
        per_pixel = spread(changes, places, len(item.seen))
        order = np.argsort(-changes, kind="stable")[:LISTED]
        stem = file_name(item.position, count, item.name) + name
        output.arrays(stem, {"changes": changes, "windows": np.array(places), "map": per_pixel})
        output.numbers["images"].append(
            {
                "image": item.name,
                "answer": answer.words,
                "value": rounded(before),
                "largest_falls": [{"window": list(places[i]), "change": rounded(float(changes[i]))} for i in order],
                "mean_change": rounded(float(changes.mean())),
            }
        )
        picture = item.enlarged(TILE)
        worst = [value * TILE / len(item.seen) for value in places[order[0]]]
        most = float(np.abs(per_pixel).max()) or 1.0
        shown = [framed(with_box(picture, answer.box), worst, YELLOW), under_signs(picture, per_pixel / most)]
        falls = f"{before:.3f}, {before - float(changes[order[0]]):.3f} where the square is covered"
        output.picture(stem, captioned(row(shown), [item.name, f"{answer.words}: {falls}"]), f"{item.name}: {falls}")

    def _explain_box(self, given: Given, question: Question) -> None:
        """Cover one box of each image: the answer before and after, and the channels that it changes most."""
        subject, output = given.subject, given.output
        layer = self.layer or final_layer(subject)
        require_map(subject, layer)
        output.words = (
            f"The box is covered. Below each image: the answer without and with it, and the channels of {layer} whose "
            "mean activation changes most."
        )
        output.numbers = {"layer": layer, "fill": self.fill, "images": []}
        cover = cover_value(subject, self.fill)
        for item, other, name in given.compared(self.limit):
            window = self._window(item)
            answer = question.answer(subject, item, other)
            image = subject.normalized(item.batch)
            with torch.inference_mode():
                hidden = covered(image, [window], cover)
                both = torch.cat([image, hidden])
                before, after = answer.value(both).tolist()
                means = outputs_of(subject, both, [layer])[layer].float().mean(dim=(2, 3)).cpu()
            changes = means[1] - means[0]
            order = torch.sort(changes.abs(), descending=True, stable=True).indices[:LISTED].tolist()
            channels = [
                {"channel": k, "before": rounded(float(means[0, k])), "after": rounded(float(means[1, k]))}
                for k in order
            ]
            output.numbers["images"].append(
                {
                    "image": item.name,
                    "answer": answer.words,
                    "window": list(window),
                    "before": rounded(before),
                    "after": rounded(after),
                    "most_sensitive_channels": channels,
                }
            )
            picture = item.enlarged(TILE)
            scale = TILE / len(item.seen)
            x0, y0, x1, y1 = (round(value * scale) for value in window)
            hiding = picture.copy()
            hiding[y0:y1, x0:x1] = 128
            shown = row([framed(picture, (x0, y0, x1, y1), YELLOW), hiding])
            lines = [item.name, f"{answer.words}: {before:.3f}, covered {after:.3f}"]
            lines += [
                "channels "
                + ", ".join(f"{one['channel']} ({one['before']:.2g} to {one['after']:.2g})" for one in channels[:5])
            ]
            stem = file_name(item.position, len(given.images), item.name) + name
            output.picture(stem, captioned(shown, lines), lines[1])

    def _window(self, item: Item) -> Window:
        """Return the box to cover in pixels of what is seen. Raises UserError where it is out of sight or unknown."""
        side = len(item.seen)
        if self.box is True:
            if item.box is None:
                raise UserError(f"{item.name} has no box: method.box=true takes data with boxes, such as shapes")
            relative = item.box.tolist()
        else:
            assert isinstance(self.box, list)
            crop = item.view.crop
            origin, extent = (crop.left, crop.top), (crop.width, crop.height)
            relative = [(value - origin[i % 2]) / extent[i % 2] for i, value in enumerate(self.box)]
        window = as_window(relative, side)
        if window[2] <= window[0] or window[3] <= window[1]:
            raise UserError(f"method.box={self.box}: nothing of it lies in what the network sees of {item.name}")
        return window


def as_window(box: Sequence[float], side: int) -> Window:
    """Return a box, xyxy relative to what is seen, in its pixels, rounded outwards and clipped."""
    x0, y0, x1, y1 = box
    low = [min(max(math.floor(value * side + 1e-6), 0), side) for value in (x0, y0)]
    high = [min(max(math.ceil(value * side - 1e-6), 0), side) for value in (x1, y1)]
    return low[0], low[1], high[0], high[1]


def windows(side: int, patch: int, stride: int) -> list[Window]:
    """Return the places of a square patch, row by row; those at the end are cut at the border, so that all is covered.

    There are ceil((side - patch) / stride) + 1 along each side.
    """
    starts = [i * stride for i in range(-(-(side - patch) // stride) + 1)]
    return [(x, y, min(x + patch, side), min(y + patch, side)) for y in starts for x in starts]


def cover_value(subject: Subject, fill: float | str) -> Tensor:
    """Return what covered pixels are in normalised images, (C, 1, 1)."""
    if fill == "mean":
        return torch.zeros(subject.channels, 1, 1, device=subject.device)
    gray = torch.full((1, subject.channels, 1, 1), float(fill), device=subject.device)
    return subject.normalized(gray)[0]


def covered(image: Tensor, places: Sequence[Window], fill: Tensor) -> Tensor:
    """Return an image (1, C, H, W) once per window, (N, C, H, W), with that window filled."""
    copies = image.repeat(len(places), 1, 1, 1)
    for copy, (x0, y0, x1, y1) in zip(copies, places, strict=True):
        copy[:, y0:y1, x0:x1] = fill
    return copies


def occluded(
    value: Callable[[Tensor], Tensor], image: Tensor, places: Sequence[Window], fill: Tensor, batch_size: int
) -> tuple[Tensor, Tensor]:
    """Return `value` of an image (1, C, H, W), and of it with each window covered (N,), both on the CPU."""
    with torch.inference_mode():
        before = value(image)[0].cpu()
        after = [value(part).cpu() for part in _parts(image, places, fill, batch_size)]
    return before, torch.cat(after)


def _parts(image: Tensor, places: Sequence[Window], fill: Tensor, batch_size: int) -> Iterator[Tensor]:
    for start in progress(range(0, len(places), batch_size), "Covering", unit="batches of places"):
        yield covered(image, places[start : start + batch_size], fill)


def spread(changes: NDArray[Any], places: Sequence[Window], side: int) -> NDArray[np.float32]:
    """Return for each pixel (H, W) the mean change over the windows that cover it; the windows leave none uncovered."""
    total, count = np.zeros((side, side)), np.zeros((side, side))
    for change, (x0, y0, x1, y1) in zip(changes, places, strict=True):
        total[y0:y1, x0:x1] += change
        count[y0:y1, x0:x1] += 1
    return (total / np.maximum(count, 1)).astype(np.float32)
