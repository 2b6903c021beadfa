"""What each channel of a layer answers to an image, and which classes excite which channels most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray
from torch import Tensor

from src.explanations.answers import require_channel
from src.explanations.drawing import TILE, captioned, column, fitted, grid, heat, resized, row, titled
from src.explanations.given import Given
from src.explanations.images import Split
from src.explanations.layers import chosen_layers
from src.explanations.output import file_name, rounded
from src.explanations.taps import outputs_of, strengths

SIDE = 104
"""Pixels of a channel's map."""
LISTED = 5
"""Channels of each class, and classes of each channel, that are listed."""
SHOWN_CHANNELS = 40
"""Channels of the picture of classes."""


class Activations:
    """A picture of maps per image and layer; over a split also how strongly each class excites each channel."""

    def __init__(
        self,
        *,
        layer: str | list[str] | None,
        channels: list[Annotated[int, Ge(0)]] | None,
        number: Annotated[int, Ge(1)],
        limit: Annotated[int, Ge(1)] | None,
    ) -> None:
        self.layer, self.channels, self.number, self.limit = layer, channels, number, limit

    def explain(self, given: Given) -> None:
        """Write pictures per image, the maps, and over a split the classes' strengths."""
        subject, images, output = given.subject, given.images, given.output
        layers = chosen_layers(subject, self.layer)
        for name in layers:
            for channel in self.channels or ():
                require_channel(subject, name, channel)
        output.title = "Activations"
        output.words = (
            "Each small picture is what one channel answers to the image; the lightest is the layer's strongest."
        )
        output.numbers = {"images": []}
        if isinstance(images, Split):
            self._by_class(given, layers)
            output.words += (
                " In the tables of classes, the colour is how strongly a class excites a channel on average; the "
                "lightest is the class that excites it most."
            )
        for item in images.evenly(self.limit):
            with torch.inference_mode():
                outputs = outputs_of(subject, subject.normalized(item.batch), layers)
            stem = file_name(item.position, len(images), item.name)
            output.arrays(stem, {name: outputs[name][0].float().cpu().numpy() for name in layers})
            numbers: dict[str, Any] = {"image": item.name, "layers": []}
            for name in layers:
                maps = outputs[name][0].float().cpu()
                chosen = self.channels or _most(maps.flatten(1).amax(dim=1), self.number)
                numbers["layers"].append(
                    {
                        "layer": name,
                        "channels": [
                            {"channel": k, "max": rounded(float(maps[k].max())), "mean": rounded(float(maps[k].mean()))}
                            for k in chosen
                        ],
                    }
                )
                sheet = row([captioned(item.enlarged(TILE), [item.name]), _sheet(maps, chosen)], 16)
                words = f"{name}: {len(chosen)} of {len(maps)} channels"
                output.picture(f"{stem}-{name}", titled(sheet, words), f"{item.name}, {words}")
            output.numbers["images"].append(numbers)

    def _by_class(self, given: Given, layers: Sequence[str]) -> None:
        """Write the mean strongest answer of each channel to the images of each class."""
        subject, output = given.subject, given.output
        sums = {name: torch.zeros(len(subject.classes), subject.shapes[name][0]).double() for name in layers}
        counts = torch.zeros(len(subject.classes)).double()
        for items, batch in given.batches():
            known = [place for place, item in enumerate(items) if item.label is not None]
            if not known:
                continue
            labels = torch.tensor([items[place].label for place in known])
            counts.index_add_(0, labels, torch.ones(len(labels)).double())
            with torch.inference_mode():
                outputs = outputs_of(subject, subject.normalized(batch), layers)
            for name in layers:
                sums[name].index_add_(0, labels, strengths(outputs[name])[0].cpu().double()[known])
        present = counts.nonzero().flatten().tolist()
        if len(present) < 2:
            return
        names = [subject.classes[k] for k in present]
        output.numbers["classes"] = []
        for name in layers:
            means = sums[name][present] / counts[present, None]
            ahead = lead(means)
            output.arrays(f"classes-{name}", {"means": means.float().numpy(), "lead": ahead.float().numpy()})
            output.numbers["classes"].append({"layer": name, **_lists(names, means, ahead)})
            sheet, words = (
                _class_sheet(names, means, ahead),
                f"{name}: for each class the channels that tell it from the others most",
            )
            output.picture(f"classes-{name}", titled(sheet, words), words)


def lead(means: Tensor) -> Tensor:
    """Return how far each class (K, C) excites a channel above the mean of the other classes.

    In shares of the channel's strongest mean, so that channels of any scale can be compared; 0 for one that is still.
    """
    others = (means.sum(dim=0) - means) / max(1, len(means) - 1)
    most = means.abs().amax(dim=0)
    return torch.where(most > 0, (means - others) / most.clamp(min=1e-30), 0.0)


def _lists(names: Sequence[str], means: Tensor, ahead: Tensor) -> dict[str, Any]:
    """Return the channels that each class excites most above the others, and the classes that excite each most."""
    by_class = {
        name: [{"channel": k, "mean": rounded(float(means[c, k]))} for k in _most(ahead[c], LISTED)]
        for c, name in enumerate(names)
    }
    by_channel = [
        [{"class": names[c], "mean": rounded(float(means[c, k]))} for c in _most(means[:, k], LISTED)]
        for k in range(means.shape[1])
    ]
    return {"channels_of_classes": by_class, "classes_of_channels": by_channel}


def _class_sheet(names: Sequence[str], means: Tensor, ahead: Tensor) -> NDArray[np.uint8]:
    """Return a table of colours: a row per class, and for each class in turn as many columns of its channels."""
    each = max(1, SHOWN_CHANNELS // len(names))
    chosen = list(dict.fromkeys(k for c in range(len(names)) for k in _most(ahead[c], each)))
    shown = means[:, chosen] / means[:, chosen].abs().amax(dim=0).clamp(min=1e-12)
    cells = [np.broadcast_to(heat(np.array([[value]])), (24, 24, 3)) for value in shown.clamp(min=0).flatten().tolist()]
    table = grid(cells, len(chosen), gap=1)
    heads = grid([captioned(np.full((1, 24, 3), 250, np.uint8), [str(k)], 11) for k in chosen], len(chosen), gap=1)
    words = [captioned(np.full((1, 150, 3), 250, np.uint8), [name], 12) for name in names]
    names_sheet = np.full((table.shape[0], 150, 3), 250, np.uint8)
    for place, tile in enumerate(words):
        top = place * 25 + 3
        names_sheet[top : top + min(len(tile), 21)] = tile[:21]
    blank = np.full((heads.shape[0], 150, 3), 250, np.uint8)
    return column([row([blank, heads], 8), row([names_sheet, table], 8)], 2)


def _sheet(maps: Tensor, chosen: Sequence[int]) -> NDArray[np.uint8]:
    most = float(maps.max()) or 1.0
    tiles = []
    for channel in chosen:
        values = (maps[channel] / most).numpy()
        picture = (
            heat(resized(values, SIDE, SIDE)) if min(values.shape) > 24 else fitted(heat(values), SIDE, squares=True)
        )
        tiles.append(captioned(picture, [f"{channel}: {float(maps[channel].max()):.3g}"], 11))
    return grid(tiles, min(9, max(1, int(np.ceil(np.sqrt(len(tiles) * 1.6))))), gap=4, paper=(250, 250, 248))


def _most(values: Tensor, number: int) -> list[int]:
    found: list[int] = torch.sort(values, descending=True, stable=True).indices[:number].tolist()
    return found
