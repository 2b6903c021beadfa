"""Grad-CAM: where the features lie that speak for an answer.

Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM: visual explanations from deep networks via gradient-based
localization, ICCV 2017, equations (1) and (2).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from src.explanations.answers import EDGES, Answer, Question, What
from src.explanations.drawing import TILE, captioned, row, scaled, under_heat, with_box
from src.explanations.given import Given
from src.explanations.layers import final_layer, require_map
from src.explanations.output import file_name, rounded
from src.explanations.subject import Subject
from src.explanations.taps import tapped


class GradCam:
    """Channels of a layer are weighed by the mean gradient of the answer, added up, and cut off below zero.

    A box's edge has no for and against: there the magnitude is shown, of each edge and of all together.
    """

    compares: ClassVar[bool] = True

    def __init__(
        self,
        *,
        what: Literal["auto", "class", "box", "same"],
        label: str | int | None,
        layer: str | None,
        limit: Annotated[int, Ge(1)] | None,
    ) -> None:
        wanted: What = what
        self.question, self.layer, self.limit = Question(wanted, label), layer, limit

    def explain(self, given: Given) -> None:
        """Write a picture per image, and the maps."""
        subject, output = given.subject, given.output
        question = self.question.settled(subject)
        layer = self.layer or final_layer(subject)
        require_map(subject, layer)
        output.title = "Grad-CAM"
        size = "x".join(map(str, subject.shapes[layer][1:]))
        output.words = (
            f"Light places speak for the answer: there {layer}, a map of {size}, has found what makes it likelier. The "
            "lightest place of each image is the strongest in that image; where all is dark, nothing there does."
        )
        if question.what == "box":
            output.words = f"Light places: what {layer} found there moves the box; on the right, each of its edges."
        output.numbers = {"layer": layer, "images": []}
        for item, other, name in given.compared(self.limit):
            answer = question.answer(subject, item, other)
            value, maps = grad_cam(subject, subject.normalized(item.batch), answer, layer)
            stem = file_name(item.position, len(given.images), item.name) + name
            output.arrays(stem, dict(zip(answer.parts, maps.numpy(), strict=True)))
            output.numbers["images"].append({"image": item.name, "answer": answer.words, "value": rounded(value)})
            picture = item.enlarged(TILE)
            shown = [
                with_box(picture, answer.box),
                under_heat(picture, scaled(maps.abs().sum(0).numpy())),
            ]
            if answer.parts == EDGES:
                shown += [
                    captioned(under_heat(picture, scaled(part.abs().numpy())), [edge])
                    for edge, part in zip(EDGES, maps, strict=True)
                ]
            said = f"{answer.words}: {value:.3f}"
            output.picture(stem, captioned(row(shown), [item.name, said]), f"{item.name}: {said}")


def grad_cam(subject: Subject, image: Tensor, answer: Answer, layer: str) -> tuple[float, Tensor]:
    """Return the answer's value for a normalised image (1, C, H, W), and a map (P, h, w) for each of its parts."""
    with torch.enable_grad(), tapped(subject, [layer]) as kept:
        scores = answer.scores(image.clone().requires_grad_(True))  # else nothing before the layer asks for gradients
        features = kept[layer]
        weighed = []
        for part in range(scores.shape[1]):
            (slope,) = torch.autograd.grad(scores[:, part].sum(), features, retain_graph=True)
            weights = slope.mean(dim=(2, 3), keepdim=True)
            weighed.append((weights * features).sum(dim=1)[0].detach().float().cpu())
    maps = torch.stack(weighed)
    with torch.inference_mode():
        value = float(answer.value(image)[0])
    return value, maps if answer.parts == EDGES else maps.relu()
