"""Images of more than 8 bits: which of their values become 0 and 255.

The full range of a type is right where images use it. X-ray pictures of 12 bits, satellite reflectances and values of
CT use little of it, or begin below 0: then the range is measured on the training images, or told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from src.errors import UserError

Range = Literal["auto", "full"] | list[float]
Span = tuple[float, float]

_LITTLE = 0.25
"""Share of a type's range below which it is not the range of the images."""
_FEW = 64  # shades of 256 that nearly all pixels share
_OUTLYING = 0.5  # percent of an image's pixels, at each end
_LOOKED_AT = 1 << 16  # pixels of an image for that


@dataclass(frozen=True)
class Values:
    """What an image of more than 8 bits holds."""

    kind: str
    """The type, such as uint16."""
    low: float
    high: float
    inner_low: float
    """All but half a percent of the pixels are at least this."""
    inner_high: float
    bad: int
    """Pixels that are not finite numbers."""

    @property
    def fault(self) -> str | None:
        """Why the image cannot be shown over the full range of its type; None where it can."""
        if np.dtype(self.kind).kind != "f":
            return None if self.kind == "uint16" else (
                f"has values of type {self.kind}: save it as uint8, uint16 or floats in [0, 1], or type "
                "data.source.range=auto"
            )  # fmt: skip
        if self.bad:
            return f"has {self.bad} values that are not finite: floats must lie in [0, 1]; data.source.range=auto shows them black"  # fmt: skip # noqa: E501
        if not 0 <= self.low <= self.high <= 1:
            return f"has floats from {self.low:g} to {self.high:g}: they must lie in [0, 1], or type data.source.range=auto"  # fmt: skip # noqa: E501
        return None


def values_of(array: NDArray[Any]) -> Values | None:
    """Return what an image holds; None where its type has 8 bits or fewer.

    Raises ValueError where it holds no finite number, or none at all.
    """
    if array.dtype in (np.bool_, np.uint8):
        return None
    if array.dtype.kind not in "iuf":
        raise ValueError(f"has values of type {array.dtype}, not numbers")
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array.reshape(-1)
    if not finite.size:
        raise ValueError("has no finite value: floats must lie in [0, 1]")
    some = finite[:: max(1, finite.size // _LOOKED_AT)].astype(np.float64)
    inner_low, inner_high = np.percentile(some, [_OUTLYING, 100 - _OUTLYING], method="nearest").tolist()
    bad = int(array.size - finite.size)
    return Values(str(array.dtype), float(finite.min()), float(finite.max()), inner_low, inner_high, bad)


def scaled(array: NDArray[Any], span: Span | None) -> NDArray[np.uint8]:
    """Return an image as uint8: the values of `span` become 0 and 255, those beyond it too, with what is no number 0.

    Without a span it is the full range of the type: uint16, or floats in [0, 1]. Rounds to the nearest.
    """
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint8:
        return array.astype(np.uint8, copy=False)
    if span is None and array.dtype == np.uint16:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    low, high = (0.0, 1.0) if span is None else span
    if array.dtype == np.uint16:
        shades: NDArray[np.uint8] = _shade(np.arange(1 << 16), low, high)[array]
        return shades
    return _shade(array, low, high)


def _shade(array: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    exact = np.float32 if array.dtype.itemsize <= 4 and array.dtype.kind == "f" else np.float64
    values: NDArray[Any] = array.astype(exact)
    shades: NDArray[Any] = np.clip((values - low) * 255 / (high - low), 0, 255)
    rounded: NDArray[np.uint8] = np.rint(np.nan_to_num(shades, nan=0.0)).astype(np.uint8)
    return rounded


def settled(asked: Range, found: Sequence[Values]) -> tuple[Span | None, list[str]]:
    """Return what a range comes to for training images that hold `found`, and what a person should know of it.

    Raises UserError where the range is none.
    """
    if not isinstance(asked, str):
        low, high = asked
        if not low < high:
            raise UserError(f"data.source.range={list(asked)}: the first value, shown black, must be the lower one")
        return (low, high), _few_shades(found, (low, high)) if found else [
            f"data.source.range={list(asked)} has no effect: no training image has more than 8 bits"
        ]
    if not found:
        return None, []
    types = sorted({one.kind for one in found})
    if asked == "auto" and len({np.dtype(kind).kind == "f" for kind in types}) > 1:
        return None, [f"data.source.range=auto: full, as the training images are {' and '.join(types)}"]
    span = None if asked == "full" else _measured(found)
    remarks = _few_shades(found, span)
    if span is not None:
        known = [one for one in found if one.fault is None]
        whole = f" of {_shown((0, _top(known[0])))}" if len(known) == len(found) else ""
        remarks.insert(0, f"data.source.range=auto: {_typed(span)}, black and white: all that the training images ({', '.join(types)}) use{whole}")  # fmt: skip # noqa: E501
    return span, remarks


def outside(span: Span | None, found: Sequence[Values]) -> list[str]:
    """Return a remark on images that a range which was found elsewhere does not fit."""
    if span is None:
        return _few_shades(found, None)
    beyond = sum(one.inner_low < span[0] or one.inner_high > span[1] for one in found)
    return [f"{beyond} images reach beyond data.source.range={_typed(span)} that the run was trained with"] if beyond else []  # fmt: skip # noqa: E501


def _measured(found: Sequence[Values]) -> Span | None:
    low, high = min(one.low for one in found), max(one.high for one in found)
    if all(one.fault is None for one in found) and high - low >= _LITTLE * _top(found[0]):
        return None
    return (low, high) if low < high else (low, low + 1)


def _few_shades(found: Sequence[Values], span: Span | None) -> list[str]:
    """Return what to type where nearly all pixels share a few shades, and how many images have pixels of no value."""
    remarks = []
    sound = [one for one in found if span is not None or one.fault is None]
    if sound:
        inner = min(one.inner_low for one in sound), max(one.inner_high for one in sound)
        low, high = span or (0.0, _top(sound[0]))
        shades = max(1, round((min(inner[1], high) - max(inner[0], low)) / (high - low) * 256))
        if shades < _FEW:
            remarks.append(
                f"99 % of the pixels of images of more than 8 bits lie in {_shown(inner)}, which is {shades} of 256 "
                f"shades; type data.source.range={_typed(inner)} to see more of them"
            )
    bad = sum(one.bad > 0 for one in sound)
    return [*remarks, f"{bad} images have pixels that are no finite number: they are shown black"] if bad else remarks


def _top(values: Values) -> float:
    return 1.0 if np.dtype(values.kind).kind == "f" else 65535.0


def _typed(span: Span) -> str:
    return f"[{span[0]:.6g},{span[1]:.6g}]"


def _shown(span: Span) -> str:
    return f"{span[0]:,.6g} to {span[1]:,.6g}"
