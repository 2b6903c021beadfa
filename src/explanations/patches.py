"""What excites a channel most: the strongest units over many images, cut out at their receptive fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray

from src.errors import UserError
from src.explanations.answers import require_channel
from src.explanations.drawing import captioned, column, grid, row, stretched, titled
from src.explanations.given import Given
from src.explanations.images import Images, Item
from src.explanations.layers import chosen_layers
from src.explanations.output import Output, rounded
from src.explanations.strongest import Strongest, worth_a_look
from src.explanations.subject import Subject
from src.explanations.taps import outputs_of, strengths
from src.networks.receptive_field import ReceptiveField

TILE = 112
"""Pixels of a patch in a grid."""
BEYOND = 225
"""The gray of what a receptive field has beyond the image."""
Window = tuple[int, int, int, int]
WIDE = 2
"""Channels beside each other on a page."""


@dataclass(frozen=True)
class Unit:
    """A unit of a layer and one of the images that excite it."""

    layer: str
    channel: int
    row: int
    column: int
    value: float
    item: Item
    box: Window
    """Its receptive field, xyxy in pixels of what the network sees, right and bottom exclusive."""

    frame: Window
    """The square around it that is shown, of one size for all units of a layer: it may reach beyond the image."""

    @property
    def patch(self) -> NDArray[np.uint8]:
        """Return what lies in the receptive field, in the image's own pixels."""
        return self.item.part(self.box)

    def framed(self, seen: NDArray[np.uint8], side: int, paper: int) -> NDArray[np.uint8]:
        """Return what is seen of the receptive field as RGB (side, side, 3), at its place in the frame on `paper`."""
        left, top, right, bottom = self.frame
        scale = side / max(right - left, bottom - top)
        x0, x1 = (round((value - left) * scale) for value in self.box[::2])
        y0, y1 = (round((value - top) * scale) for value in self.box[1::2])
        square = np.full((side, side, 3), paper, np.uint8)
        square[y0:y1, x0:x1] = stretched(seen, max(1, x1 - x0), max(1, y1 - y0))
        return square


class Patches:
    """For channels of layers the images that excite them most, each cut out where the strongest unit sees it."""

    def __init__(
        self,
        *,
        layer: str | list[str] | None,
        channels: list[Annotated[int, Ge(0)]] | None,
        number: Annotated[int, Ge(1)],
        best: Annotated[int, Ge(1)],
    ) -> None:
        self.layer, self.channels, self.number, self.best = layer, channels, number, best

    def explain(self, given: Given) -> None:
        """Write a page of all layers and a picture per layer, and where each patch lies."""
        subject, images, output = given.subject, given.images, given.output
        layers = chosen_layers(subject, self.layer)
        for name in layers if self.channels else ():
            for channel in self.channels or ():
                require_channel(subject, name, channel)
        self.describe(output)
        found = strongest(given, layers, self.best)
        output.numbers |= {"images": next(iter(found.values())).count, "layers": []}
        pages = []
        channels = dict.fromkeys(layers, self.channels) if self.channels else worth_a_look(found, self.number)
        for name, chosen in channels.items():
            if not chosen:
                continue
            units = {channel: units_of(subject, images, name, channel, found[name]) for channel in chosen}
            blocks = [self.block(subject, name, channel, units[channel], output) for channel in chosen]
            lines = [row(blocks[start : start + WIDE], 24) for start in range(0, len(blocks), WIDE)]
            title = layer_title(subject, name)
            pages.append((title, column(lines, 16)))
            output.picture(f"{output.method}-{name}", titled(pages[-1][1], title), title)
            output.numbers["layers"].append({"layer": name, "channels": [_numbers(units[k], k) for k in chosen]})
        if not pages:
            raise UserError(f"no channel of {', '.join(layers)} answers to any of these images: all values are equal")
        if len(pages) > 1:
            page = column([titled(part, name, 8) for name, part in pages], 4)
            output.picture(f"{output.method}-page", page, f"{len(pages)} layers")

    def describe(self, output: Output) -> None:
        """Say what the pictures show."""
        output.title = "Patches"
        output.words = (
            f"For each channel the {self.best} images that excite it most, strongest first, cut out at the receptive "
            "field of the strongest unit: the image's own pixels."
        )

    def block(
        self, subject: Subject, layer: str, channel: int, units: Sequence[Unit], output: Output
    ) -> NDArray[np.uint8]:
        """Return the picture of one channel."""
        return captioned(patches_grid(units), [block_title(channel, units)])


def layer_title(subject: Subject, name: str) -> str:
    """Return a layer's name with the size of its map and how far each of its units sees."""
    channels, height, width = subject.shapes[name]
    size = subject.trace.fields[name].rows.size
    sees = f"each unit sees {size} px" if size < subject.image_size else "each unit sees up to the whole image"
    return f"{name}: {channels} channels of {height}x{width}, {sees}"


def block_title(channel: int, units: Sequence[Unit]) -> str:
    """Return the words below a channel's patches."""
    return f"channel {channel}: {units[0].value:.3g} to {units[-1].value:.3g}"


def patches_grid(units: Sequence[Unit]) -> NDArray[np.uint8]:
    """Return the patches of one channel in a square grid."""
    return grid([unit.framed(unit.patch, TILE, BEYOND) for unit in units], across(len(units)))


def across(count: int) -> int:
    """Return how many tiles lie beside each other in a grid that is about square: 3 of 9."""
    return max(1, int(np.ceil(np.sqrt(count))))


def strongest(given: Given, layers: Sequence[str], best: int) -> dict[str, Strongest]:
    """Return the strongest answers of all channels of layers over all images."""
    subject = given.subject
    found = {name: Strongest(subject.shapes[name][0], best) for name in layers}
    for items, batch in given.batches():
        with torch.inference_mode():
            outputs = outputs_of(subject, subject.normalized(batch), layers)
        positions = torch.tensor([item.position for item in items])
        labels = torch.tensor([-1 if item.label is None else item.label for item in items])
        for name in layers:
            found[name].update(*strengths(outputs[name]), positions, labels)
    return found


def units_of(subject: Subject, images: Images, layer: str, channel: int, found: Strongest) -> list[Unit]:
    """Return the strongest units of a channel, the strongest first; fewer where there are fewer images."""
    field, width = subject.trace.fields[layer], subject.shapes[layer][2]
    units = []
    for value, image, place in zip(found.values[channel], found.images[channel], found.places[channel], strict=True):
        if image < 0:
            break
        at = divmod(int(place), width)
        item = images.item(int(image))
        frame = framed(field, *at, len(item.seen))
        units.append(Unit(layer, channel, *at, float(value), item, field.box(*at), frame))
    return units


def framed(field: ReceptiveField, row: int, column: int, side: int) -> Window:
    """Return what a unit would see if the image, of `side` pixels, went on beyond its borders; at most `side` of it.

    So all units of a layer are shown at one scale, those at a border with less in their frame.
    """
    x0, y0, x1, y1 = field.box(row, column)
    (left, right), (top, bottom) = (
        (0, side) if axis.size >= side else (at := axis.offset + place * axis.stride, at + axis.size)
        for axis, place in ((field.columns, column), (field.rows, row))
    )
    return min(left, x0), min(top, y0), max(right, x1), max(bottom, y1)


def _numbers(units: Sequence[Unit], channel: int) -> dict[str, Any]:
    return {
        "channel": channel,
        "units": [
            {
                "image": unit.item.name,
                "value": rounded(unit.value),
                "unit": [unit.row, unit.column],
                "field": list(unit.box),
                "in_image": [
                    rounded(float(value))
                    for value in unit.item.view.boxes_in_image(np.array([unit.box]) / len(unit.item.seen))[0]
                ],
            }
            for unit in units
        ],
    }
