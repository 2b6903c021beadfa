"""The layers that can be named, and which of them a reader of the chapter calls layers 2 to 5."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import ClassVar

from src.errors import UserError
from src.explanations.given import Given
from src.explanations.subject import Subject
from src.networks.features import final_features, head_containers, is_within

FEW = 8
"""Convolutions up to which each is a layer of its own, as in AlexNet; deeper networks are told apart by resolution."""

NEAREST = 5

BEFORE_AND_AFTER = 2
"""Resolutions within a block that lowers it once; a container of many stages has more."""


class Layers:
    """A table of all modules that give a tensor, in the order in which an image passes them."""

    needs_images: ClassVar[bool] = False

    def explain(self, given: Given) -> str:
        """Return the table; `*` marks the layers that other methods take by themselves."""
        subject = given.subject
        usual = usual_layers(subject)
        rows = [("layer", "kind", "output", "field", "stride", "")]
        for name, shape in subject.shapes.items():
            field = subject.trace.fields.get(name)
            sizes = ("", "") if field is None else (str(field.rows.size), str(field.rows.stride))
            kind = type(subject.network.get_submodule(name)).__name__
            rows.append((name, kind, "x".join(map(str, shape)), *sizes, "*" if name in usual else ""))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if column in (3, 4) else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )


def chosen_layers(subject: Subject, layer: str | Sequence[str] | None) -> list[str]:
    """Return the layers that were named, each known to give a map of channels; `None` are layers 2 to 5.

    Raises UserError for a name that there is not, with the nearest, and for one without a map.
    """
    names = usual_layers(subject) if not layer else [layer] if isinstance(layer, str) else list(layer)
    if not names:
        raise UserError(f"{subject.name} has no map of channels that could be shown")
    for name in names:
        require_map(subject, name)
    return names


def require_layer(subject: Subject, name: str) -> None:
    """Raise UserError where there is no such layer, with the nearest names."""
    if name not in subject.shapes:
        near = nearest_names(name, list(subject.shapes))
        question = f"; the nearest are {', '.join(near)}" if near else ""
        raise UserError(f"method.layer={name}: {subject.name} has no such layer{question}. method=layers lists all")


def require_map(subject: Subject, name: str) -> None:
    """Raise UserError where a layer is not there, or its units have no place in the image."""
    require_layer(subject, name)
    if name not in subject.trace.fields or len(subject.shapes[name]) != 3:
        shape = "x".join(map(str, subject.shapes[name]))
        raise UserError(
            f"method.layer={name} gives {shape}, which is no map of channels; the last that is one: {maps(subject)[-1]}"
        )


def final_layer(subject: Subject) -> str:
    """Return the layer with the final convolutional features. Raises UserError where a network ends in none."""
    try:
        return final_features(subject.network, subject.channels, subject.image_size)[0]
    except UserError as error:
        found = maps(subject)
        such = f", such as {found[-1]}" if found else ""
        raise UserError(
            f"{subject.name} does not end in a map of channels: name a layer that gives one, method.layer=NAME{such}"
        ) from error


def nearest_names(word: str, names: Collection[str]) -> list[str]:
    """Return the names that may have been meant: those that hold the word, then those spelt alike."""
    holding = [name for name in names if word and word.lower() in name.lower()]
    alike = difflib.get_close_matches(word, list(names), n=NEAREST, cutoff=0.3)
    return list(dict.fromkeys([*holding, *alike]))[:NEAREST]


def maps(subject: Subject) -> list[str]:
    """Return the layers that give a map of channels, of more than one place, in order."""
    fields, shapes = subject.trace.fields, subject.shapes
    return [name for name, shape in shapes.items() if name in fields and len(shape) == 3 and max(shape[1:]) > 1]


def usual_layers(subject: Subject) -> list[str]:
    """Return layers 2 to 5 as the chapter counts them, those of them that there are.

    In a network of few convolutions each, with its activation, is a layer. In a deeper one a layer is all that has one
    resolution, as the five stages of a ResNet or the blocks of a VGG between their poolings; the outermost module that
    ends it stands for it. Of more than five the last four are taken: Inception-ResNet's stem alone has three.
    """
    summaries = {layer.name for layer in subject.trace.layers if layer.kind == "adaptive pooling"}
    heads = head_containers(subject.network)
    order = [
        name for name in maps(subject) if name not in summaries and not any(is_within(name, head) for head in heads)
    ]
    convolutions = [layer.name for layer in subject.trace.layers if layer.kind == "convolution" and layer.name in order]
    if len(convolutions) <= FEW:
        ends = _after_each(subject, order, convolutions)
    else:
        ends = _resolutions(subject, order, convolutions)
    return ends[1:][-4:] or ends


def _after_each(subject: Subject, order: Sequence[str], convolutions: Sequence[str]) -> list[str]:
    """Return what each convolution's map has become before it is pooled or convolved again."""
    places = [order.index(name) for name in convolutions]
    found = []
    for place, following in zip(places, [*places[1:], len(order)], strict=True):
        shape = subject.shapes[order[place]]
        found.append([name for name in order[place:following] if subject.shapes[name] == shape][-1])
    return found


def _resolutions(subject: Subject, order: Sequence[str], convolutions: Sequence[str]) -> list[str]:
    """Return the last map of each resolution at which there are convolutions; of a module and its end, the module.

    A block that lowers the resolution begins with maps of the one before, which are its own business. Where dilation
    takes the place of a stride, a stage keeps the resolution of the one before and is told from it by its name.
    """
    height = {name: subject.shapes[name][1] for name in order}
    dilated = {
        layer.name.partition(".")[0]
        for layer in subject.trace.layers
        if layer.kind == "convolution" and "dilation" in layer.detail
    }
    lowering = {
        name for name in order if len({height[inner] for inner in order if is_within(inner, name)}) == BEFORE_AND_AFTER
    }
    worked = {height[name] for name in convolutions}
    ends: dict[tuple[int, str], str] = {}
    for name in order:
        above = {block for block in lowering if is_within(name, block) and height[block] != height[name]}
        if height[name] in worked and not above:
            stage = name.partition(".")[0]
            ends[height[name], stage if stage in dilated else ""] = name
    return list(ends.values())
