"""Saliency: which pixels an answer reacts to.

Simonyan, Vedaldi, Zisserman: Deep inside convolutional networks: visualising image classification models and saliency
maps, 2014, section 3.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from src.explanations.answers import EDGES, Answer, Question, What
from src.explanations.drawing import TILE, captioned, fitted, heat, row, with_box
from src.explanations.given import Given
from src.explanations.output import file_name, rounded

BRIGHTEST = 0.995
"""The share of pixels below the one that is shown lightest: single pixels would leave all others dark."""


class Saliency:
    """The largest magnitude over the colour channels of the answer's gradient at each pixel."""

    compares: ClassVar[bool] = True

    def __init__(
        self,
        *,
        what: Literal["auto", "class", "box", "same", "channel"],
        label: str | int | None,
        layer: str | None,
        channel: Annotated[int, Ge(0)] | None,
        limit: Annotated[int, Ge(1)] | None,
    ) -> None:
        wanted: What = what
        self.question, self.limit = Question(wanted, label, layer, channel), limit

    def explain(self, given: Given) -> None:
        """Write a picture per image, and the gradients' magnitudes."""
        subject, output = given.subject, given.output
        question = self.question.settled(subject)
        output.title = "Saliency"
        output.words = "Light pixels: a small change there changes the answer most, up or down."
        if question.what == "box":
            output.words += " In the middle for the four edges of the box together, then for each."
        output.numbers = {"images": []}
        for item, other, name in given.compared(self.limit):
            answer = question.answer(subject, item, other)
            value, maps = saliency(subject.normalized(item.batch), answer)
            stem = file_name(item.position, len(given.images), item.name) + name
            output.arrays(stem, dict(zip(answer.parts, maps.numpy(), strict=True)))
            output.numbers["images"].append({"image": item.name, "answer": answer.words, "value": rounded(value)})
            shown = [with_box(item.enlarged(TILE), answer.box), _picture(maps.sum(0))]
            if answer.parts == EDGES:
                shown += [captioned(_picture(part), [edge]) for edge, part in zip(EDGES, maps, strict=True)]
            said = f"{answer.words}: {value:.3f}"
            output.picture(stem, captioned(row(shown), [item.name, said]), f"{item.name}: {said}")


def saliency(image: Tensor, answer: Answer) -> tuple[float, Tensor]:
    """Return the answer's value for a normalised image (1, C, H, W), and (P, H, W) for each of its parts."""
    with torch.enable_grad():
        watched = image.clone().requires_grad_(True)
        scores = answer.scores(watched)
        slopes = [
            torch.autograd.grad(scores[:, part].sum(), watched, retain_graph=True)[0]
            for part in range(scores.shape[1])
        ]  # fmt: skip
    with torch.inference_mode():
        value = float(answer.value(image)[0])
    return value, torch.stack([slope[0].abs().amax(dim=0).float().cpu() for slope in slopes])


def _picture(values: Tensor) -> np.ndarray:
    numbers = values.numpy()
    most = float(np.quantile(numbers, BRIGHTEST)) or float(numbers.max()) or 1.0
    return fitted(heat(numbers / most), TILE, squares=True)
