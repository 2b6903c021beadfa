"""The images that are explained: a person's own, or a split of a run's data, one at a time or in batches."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from src.data.crop import EvalCrop, central_crop, cut_image
from src.data.decode import Unreadable, decode
from src.data.module import ImageData
from src.data.preview import as_rgb
from src.data.value_range import Span
from src.data.view import View
from src.data.working import WorkingSize
from src.errors import UserError
from src.progress import progress

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Item:
    """An image at the size that the run works with and as the network sees it, and what is known of it."""

    position: int
    name: str
    whole: NDArray[np.uint8]
    """(H, W, C), the image's own pixels, or those of its working size."""
    seen: NDArray[np.uint8]
    """(S, S, C), what the network is shown."""
    view: View
    label: int | None = None
    box: NDArray[np.float32] | None = None
    """Of its one object, xyxy relative to what is seen; None where nothing is known or there is no object."""

    @property
    def batch(self) -> Tensor:
        """Return what is seen as uint8 (1, C, S, S)."""
        return torch.from_numpy(np.ascontiguousarray(self.seen)).permute(2, 0, 1)[None]

    def part(self, box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
        """Return the image's own pixels, at least one, in a box of what is seen, xyxy in its pixels."""
        side = len(self.seen)
        x0, y0, x1, y1 = self.view.boxes_in_image(np.array([box]) / side)[0]
        left, top = min(int(x0), self.view.width - 1), min(int(y0), self.view.height - 1)
        return self.whole[top : max(top + 1, round(y1)), left : max(left + 1, round(x1))]

    def enlarged(self, side: int) -> NDArray[np.uint8]:
        """Return what is seen as RGB (side, side, 3), from the image's own pixels."""
        return as_rgb(np.ascontiguousarray(cut_image(self.whole, self.view.crop, side)))


class Images(Dataset[Item | None]):
    """Images by position; None in place of one that cannot be read, which is then named on standard error."""

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, position: int) -> Item | None:
        raise NotImplementedError

    def item(self, position: int) -> Item:
        """Return an image that has been read before."""
        found = self[position]
        if found is None:
            raise UserError(f"image {position} cannot be read any more")
        return found

    def evenly(self, limit: int | None) -> Iterator[Item]:
        """Yield at most `limit` readable images, taken evenly from all that there are."""
        count = len(self) if limit is None else min(limit, len(self))
        if count < len(self):
            log.info("%d of %d images are explained; method.limit=null takes all", count, len(self))
        positions = [i * len(self) // count for i in range(count)]
        found = 0
        for position in progress(positions, "Explaining", unit="images"):
            item = self[position]
            if item is not None:
                found += 1
                yield item
        if not found:
            raise UserError(f"none of {count} images can be read")

    def batches(self, batch_size: int, num_workers: int) -> Iterator[tuple[Sequence[Item], Tensor]]:
        """Yield the readable images in order with what is seen of them, uint8 (B, C, S, S)."""
        held: list[Item] = []
        found = 0
        loader = DataLoader(self, batch_size=None, num_workers=num_workers, collate_fn=_as_it_is)
        for item in progress(loader, "Looking", unit="images"):
            if item is not None:
                held.append(item)
                found += 1
            if len(held) == batch_size:
                yield held, torch.cat([one.batch for one in held])
                held = []
        if held:
            yield held, torch.cat([one.batch for one in held])
        if not found:
            raise UserError(f"none of {len(self)} images can be read")


class Files(Images):
    """A person's own images, seen through the central crop of evaluation."""

    def __init__(
        self,
        files: Sequence[Path],
        channels: int,
        size: int,
        crop: EvalCrop,
        working: WorkingSize | None = None,
        span: Span | None = None,
    ) -> None:
        self.files, self.channels, self.size, self.crop, self.working = files, channels, size, crop, working
        self.span = span

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, position: int) -> Item | None:
        file = self.files[position]
        try:
            whole = decode(file, self.channels, None if self.working is None else self.working.side, self.span)
        except Unreadable as error:
            log.warning("left out: %s %s", file, error.reason)
            return None
        if self.working is not None:
            whole = self.working.fitted({"image": whole})["image"]
        view = _central_view(whole, self.size, self.crop)
        return Item(position, str(file), whole, cut_image(whole, view.crop, self.size), view)


class Split(Images):
    """A split of opened data, as evaluation sees it."""

    def __init__(self, data: ImageData, split: str) -> None:
        assert data.spec is not None
        data.wanted_targets = None  # boxes too, where a classifier requires none
        self.dataset = data.dataset(split)
        self.size, self.crop = data.spec.image_size, data.spec.eval_crop
        self.names = [data.name_of(int(index)) for index in self.dataset.indices]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: int) -> Item | None:
        whole = self.dataset.medium.read(int(self.dataset.indices[position]))["image"]
        seen = self.dataset.sample(position)
        label = seen.get("label")
        label = int(label) if label is not None and np.ndim(label) == 0 else None
        box = seen.get("box")
        known = box is not None and bool(np.any(box))
        view = _central_view(whole, self.size, self.crop)
        return Item(position, self.names[position], whole, seen["image"], view, label, box if known else None)


def _central_view(whole: NDArray[np.uint8], size: int, crop: EvalCrop) -> View:
    height, width = whole.shape[:2]
    return View(height, width, central_crop(height, width, size, crop))


def _as_it_is(item: Any) -> Any:
    return item
