"""All images of a small set on the training device: a batch is cut out there, to the very pixels of the CPU.

OpenCV's bilinear interpolation of 8-bit images is done in whole numbers: weights of 11 bits along the rows, then along
the columns, with a shift in between. Here the same is done for a whole batch at once, so that a run's bits, and what a
seed means, do not depend on where its images are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from src.data.crop import Crops
from src.data.media.packed import Packed
from src.data.medium import Medium
from src.data.sources.base import Sample
from src.errors import UserError

_ONE = 2048
"""What a weight of 1 is in OpenCV's 8-bit interpolation."""
_CHUNK = 1 << 26  # bytes that are copied to the device at once


class OnDevice(Medium):
    """A packed store whose images also lie on the device. Samples are read from the store; batches are cut there."""

    decodes = False

    def __init__(self, store: Packed) -> None:
        self.store = store
        self._pixels: Tensor | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_pixels": None}

    def read(self, index: int) -> Sample:
        """Return a sample out of the store, whose image stays on the disk until it is looked at."""
        return self.store.read(index)

    def name_of(self, index: int) -> str:
        """Return the image's file."""
        return self.store.name_of(index)

    def parts(self, indices: Sequence[int], crops: Crops, size: int) -> Parts:
        """Return what the device has to know to cut a batch."""
        index = self.store.index_of(indices)  # (B, 4)
        height, width = crops.places[:, 2:].T
        steps = [np.stack([height, width], axis=1)]
        while (steps[-1] != size).any():
            sides = steps[-1]
            steps.append(np.where(sides > 2 * size, np.maximum(size, -(-sides // 2)), size))
        offset, row = index[:, 1], index[:, 3] * self.store.channels
        start = offset + crops.places[:, 0] * row + crops.places[:, 1] * self.store.channels
        turns = np.stack([crops.upside_down, crops.mirrored], axis=1).astype(np.int64)
        numbers = np.concatenate([start[:, None], row[:, None], turns, *steps], axis=1)
        return Parts(torch.from_numpy(numbers), [step.max(axis=0).tolist() for step in steps[1:]])

    def images(self, parts: Parts, size: int) -> Tensor:
        """Return the batch (B, C, size, size) on the device of `parts`, laid out channels last."""
        pixels, channels = self._on(parts.numbers.device), self.store.channels
        start, row, *_ = parts.numbers.T
        turns, sides = parts.numbers[:, 2:4], parts.numbers[:, 4:].view(len(start), -1, 2)
        still = torch.zeros_like(turns)
        extents = parts.extents or [[size, size]]  # all have the size already: they are copied
        for number, extent in enumerate(extents):
            last = number == len(extents) - 1
            target = sides[:, min(number + 1, sides.shape[1] - 1)]
            image = _resized(pixels, start, row, sides[:, number], target, extent, channels, turns if last else still)
            pixels = image.reshape(-1)
            row = torch.full_like(row, extent[1] * channels)
            start = torch.arange(len(start), device=start.device) * extent[0] * extent[1] * channels
        return image.permute(0, 3, 1, 2)

    def _on(self, device: torch.device) -> Tensor:
        """Return all pixels on a device. Raises UserError where it has no room for them."""
        if self._pixels is None or self._pixels.device != device:
            _require_room(self.store.bytes, device)
            pixels = torch.empty(self.store.bytes, dtype=torch.uint8, device=device)
            for at in range(0, self.store.bytes, _CHUNK):
                pixels[at : at + _CHUNK] = torch.from_numpy(self.store.pixels[at : at + _CHUNK].copy())
            self._pixels = pixels
        return self._pixels


class Parts(NamedTuple):
    """Of each image of a batch what is seen: whole numbers (B, 4 + 2 * steps), which go to the device with the batch.

    First byte, bytes of a row, whether it is upside down and mirrored, then height and width of the part and of what
    each step of resizing makes of it. `extents` are the largest height and width after each step.
    """

    numbers: Tensor
    extents: list[list[int]]


def _resized(
    pixels: Tensor,
    start: Tensor,
    row: Tensor,
    sides: Tensor,
    targets: Tensor,
    extent: Sequence[int],
    channels: int,
    turns: Tensor,
) -> Tensor:
    """Return parts of flat `pixels` (B,) at the sizes `targets` (B, 2), in the corner of images of `extent`.

    As cv2.resize does it: (B, H, W, C), uint8.
    """
    y0, y1, b0, b1 = _weights(sides[:, 0], targets[:, 0], extent[0], turns[:, 0], settled=False)
    x0, x1, a0, a1 = (values[:, None, :, None] for values in _weights(
        sides[:, 1], targets[:, 1], extent[1], turns[:, 1], settled=True
    ))  # fmt: skip
    channel = torch.arange(channels, device=pixels.device)
    left, right = x0 * channels + channel, x1 * channels + channel

    def along_row(y: Tensor) -> Tensor:
        first = (start[:, None] + y * row[:, None])[:, :, None, None]
        return (pixels[first + left].int() * a0 + pixels[first + right].int() * a1) >> 4

    b0, b1 = b0[:, :, None, None], b1[:, :, None, None]
    return ((((along_row(y0) * b0) >> 16) + ((along_row(y1) * b1) >> 16) + 2) >> 2).to(torch.uint8)


def _weights(
    sides: Tensor, targets: Tensor, extent: int, turned: Tensor, *, settled: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return for each new pixel (B, extent) the two old ones that it lies between, and their weights.

    At the border both are the same one; OpenCV then gives it the whole weight along a row (`settled`), and two parts of
    it along a column. Where an image is `turned`, its pixels come in the opposite order.
    """
    place = torch.arange(extent, device=sides.device)[None]
    place = torch.where(turned[:, None].bool(), targets[:, None] - 1 - place, place)
    scale = 1.0 / (targets.double() / sides.double())
    exact = ((place + 0.5) * scale[:, None] - 0.5).float()
    whole = exact.floor()
    share, first, last = exact - whole, whole.long(), sides[:, None] - 1
    if settled:
        share = torch.where((first < 0) | (first >= last), torch.zeros_like(share), share)
    low, high = (index.clamp(min=0).minimum(last) for index in (first, first + 1))
    return low, high, ((1 - share) * _ONE).round().int(), (share * _ONE).round().int()


def _require_room(needed: int, device: torch.device) -> None:
    if device.type != "cuda":
        return
    free, whole = torch.cuda.mem_get_info(device)
    if needed > free / 2:
        raise UserError(
            f"data.store=device: the images take {needed / 2**30:.1f} GiB, and {device} has {free / 2**30:.1f} of "
            f"{whole / 2**30:.1f} GiB free, of which the training needs its half: type data.store=packed, or a smaller "
            "data.working_size"
        )


def require_cuttable(transforms: Sequence[str], channels: int) -> None:
    """Raise UserError where something is to be done to images that only the CPU can do.

    Images are resized four channels at a time, and with two OpenCV rounds the mean of four pixels to even: not as here.
    """
    instead = "type data.store=packed"
    if transforms:
        raise UserError(
            f"data.store=device cuts and mirrors on the device, but augment.transforms ({', '.join(transforms)}) run "
            f"on the CPU: {instead}, or an augment without transforms, such as augment=standard"
        )
    if channels % 4 == 2:
        raise UserError(f"data.store=device cannot cut images of {channels} channels to the bits of the CPU: {instead}")
