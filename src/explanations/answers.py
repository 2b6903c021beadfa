"""What an explanation is of: the model's answer to one image, as a number to be watched or differentiated."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from src.errors import UserError
from src.explanations.images import Item
from src.explanations.layers import require_map
from src.explanations.subject import Subject
from src.explanations.taps import outputs_of
from src.metrics.localization import paired_iou
from src.models.verification import VerificationModel

What = Literal["auto", "class", "box", "same", "channel"]

EDGES = ("left", "top", "right", "bottom")


@dataclass(frozen=True)
class Answer:
    """One answer of the model to an image, and how it changes with the image.

    `value` gives of normalised images (B, C, H, W) the number (B,) that a person understands: a probability, the IoU
    with the box found in the whole image, a mean activation. `scores` gives what gradients are taken of, (B, P) for the
    `parts`: for a class the logit, which unlike the probability is not flat where the network is sure.
    """

    words: str
    value: Callable[[Tensor], Tensor]
    scores: Callable[[Tensor], Tensor]
    parts: tuple[str, ...] = ("score",)
    box: tuple[float, float, float, float] | None = None
    """The box that the model finds, xyxy relative to what it sees, where the answer is one."""


@dataclass(frozen=True)
class Question:
    """What is asked of each image: the keys `what`, `label`, `layer` and `channel` of a method."""

    what: What = "auto"
    label: str | int | None = None
    layer: str | None = None
    channel: int | None = None
    automatic: bool = False
    """Whether the model chose `what`: of an image in which a localizer sees nothing, the box means nothing."""

    def decided(self, own: Sequence[What]) -> Question:
        """Return the question with `what` as a model answers it whose answers are `own`, its first before others.

        Raises UserError where the model has no such answer, or a key belongs to another.
        """
        what: What = self.what
        if what == "auto":
            what = "class" if self.label is not None else "channel" if self.channel is not None else own[0]
        if what not in (*own, "channel"):
            raise UserError(f"method.what={what}: the answer of this model is {' or '.join(own)}; or channel")
        if self.label is not None and what != "class":
            raise UserError(f"method.label={self.label} names a class, but method.what={what}; leave one away")
        if what == "channel" and (self.layer is None or self.channel is None):
            raise UserError("method.what=channel needs both method.layer=NAME and method.channel=NUMBER")
        if self.channel is not None and what != "channel":
            raise UserError(f"method.channel={self.channel} is of method.what=channel; here it is {what}")
        return Question(what, self.label, self.layer, self.channel, automatic=self.what == "auto")

    def settled(self, subject: Subject) -> Question:
        """Return the question with `what` as the model of `subject` answers it.

        Raises UserError where the model has no such answer, or there is no such layer, channel or class.
        """
        question = self.decided(_own_answers(subject))
        if question.what == "channel":
            assert self.layer is not None
            require_map(subject, self.layer)
            require_channel(subject, self.layer, self.channel or 0)
        if self.label is not None:
            class_number(subject, self.label)
        return question

    def answer(self, subject: Subject, item: Item, anchor: Item | None) -> Answer:
        """Return the model's answer to an image, of a question that has been settled."""
        image = subject.normalized(item.batch)
        if self.what == "class" or (self.what == "box" and self.automatic and _sees_nothing(subject, image)):
            return _class_answer(subject, image, self.label, item.label)
        if self.what == "box":
            return _box_answer(subject, image)
        if self.what == "same":
            assert anchor is not None
            return _same_answer(subject, anchor)
        assert self.layer is not None
        assert self.channel is not None
        return _channel_answer(subject, self.layer, self.channel)


def require_channel(subject: Subject, layer: str, channel: int) -> None:
    """Raise UserError where a layer has no channel of that number."""
    count = subject.shapes[layer][0]
    if not 0 <= channel < count:
        raise UserError(f"channel {channel} of {layer}: it has channels 0 to {count - 1}")


def class_number(subject: Subject, label: str | int) -> int:
    """Return the number of a class by name or number. Raises UserError where there is none, with the nearest names."""
    classes = subject.classes
    if str(label) in classes:
        return classes.index(str(label))
    if str(label).isdecimal() and int(label) < len(classes):
        return int(label)
    holding = [name for name in classes if str(label).lower() in name.lower()]
    near = [*holding, *difflib.get_close_matches(str(label), classes, n=5, cutoff=0.4)]
    shown = ", ".join(list(dict.fromkeys(near))[:5])
    some = f"; there are {', '.join(classes[:10])}{', ...' * (len(classes) > 10)}"
    raise UserError(
        f"method.label={label}: no such class" + (f"; the nearest are {shown}" if shown else some)
        + f". A number counts from 0 to {len(classes) - 1}"
    )  # fmt: skip


def compares(subject: Subject) -> bool:
    """Return whether the model's answer is about two images."""
    return _own_answers(subject)[0] == "same"


def _own_answers(subject: Subject) -> tuple[What, ...]:
    return ("class",) if subject.model is None else subject.model.explained


def _sees_nothing(subject: Subject, image: Tensor) -> bool:
    """Return whether a localizer's likeliest class is `nothing`, its first."""
    with torch.inference_mode():
        return int(subject.predicted(image)["probabilities"][0].argmax()) == 0


def _class_answer(subject: Subject, image: Tensor, label: str | int | None, truth: int | None) -> Answer:
    """The probability of a class; where it is known to be another, that is said."""
    if label is None:
        with torch.inference_mode():
            number = int(subject.predicted(image)["probabilities"][0].argmax())
    else:
        number = class_number(subject, label)
    mistaken = f" (it is {subject.classes[truth]})" if truth not in (None, number) else ""
    return Answer(
        f"probability of {subject.classes[number]}{mistaken}",
        value=lambda images: subject.predicted(images)["probabilities"][:, number],
        scores=lambda images: subject.logits(images)[:, number, None],
    )


def _box_answer(subject: Subject, image: Tensor) -> Answer:
    """The box: how much of it stays where it was, and each of its edges."""
    with torch.inference_mode():
        found = subject.predicted(image)["box"]

    def value(images: Tensor) -> Tensor:
        boxes = subject.predicted(images)["box"]
        return paired_iou(boxes.float(), found.to(boxes).float().expand(len(boxes), -1))

    x0, y0, x1, y1 = found[0].tolist()
    return Answer(
        "IoU with its box", value, lambda images: subject.predicted(images)["box"], EDGES, box=(x0, y0, x1, y1)
    )


def _same_answer(subject: Subject, anchor: Item) -> Answer:
    """Whether an image shows the same as another: the probability, and how near their embeddings are."""
    model = subject.model
    assert isinstance(model, VerificationModel)
    if math.isnan(float(model.threshold)):
        raise UserError("these weights have no threshold between same and different: no validation saw pairs of both")
    with torch.no_grad():
        other = model.embed(subject.normalized(anchor.batch))
    comparer = model.comparer()

    def distance(images: Tensor) -> Tensor:
        return comparer.distances(model.embed(images), other)

    return Answer(
        "probability of same",
        value=lambda images: model.probabilities(distance(images).cpu().double())[:, 0].float(),
        scores=lambda images: -distance(images),
    )


def _channel_answer(subject: Subject, layer: str, channel: int) -> Answer:
    """The mean of a channel's map, as Zeiler and Fergus watch its sum."""

    def value(images: Tensor) -> Tensor:
        return outputs_of(subject, images, [layer])[layer][:, channel].float().mean(dim=(1, 2))

    return Answer(f"mean of {layer} channel {channel}", value, lambda images: value(images)[:, None])
