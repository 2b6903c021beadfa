"""The figures of the chapter that can be computed, each with the numbers behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from src.chapter.convolution import (
    SOBEL_X,
    SOBEL_Y,
    Matrix,
    convolution,
    cross_correlation,
    dense_parameters,
    padded,
    polynomial,
    pooled,
    sum_of_both,
    toeplitz,
)
from src.chapter.drawing import Panel
from src.networks.arithmetic import output_size, parameter_count


@dataclass(frozen=True)
class Figure:
    """What a figure shows, a sentence about it, and its numbers."""

    title: str
    panels: tuple[Panel, ...]
    caption: str
    numbers: dict[str, Any]


IMAGE: Matrix = np.array([[1.0, 2, 0, 1, 3], [0, 1, 2, 2, 1], [3, 1, 0, 1, 0], [2, 0, 1, 3, 1], [1, 1, 2, 0, 2]])
KERNEL: Matrix = np.array([[1.0, 0, -1], [2, 1, 0], [0, -1, 1]])


def sobel(photograph: Path | None) -> Figure:
    """Figure 6.1: the two Sobel filters on an image, and the sum of their magnitudes."""
    image = _gray(photograph) if photograph else _drawn_scene()
    across, down = cross_correlation(image, SOBEL_X), cross_correlation(image, SOBEL_Y)
    both = sum_of_both(across, down)
    panels = (
        Panel("image", image, image=True),
        Panel("left to right", SOBEL_X),
        Panel("its answer", across, image=True),
        Panel("top to bottom", SOBEL_Y),
        Panel("its answer", down, image=True),
        Panel("sum of magnitudes", both, image=True),
    )
    numbers = {"filters": [SOBEL_X.tolist(), SOBEL_Y.tolist()], "largest": float(both.max())}
    return Figure("Sobel filters", panels, "Edges are where the answer is far from zero.", numbers)


def convolution_and_correlation(_: Path | None) -> Figure:
    """Equations (6.7) and (6.14): a convolution is the cross-correlation with the filter turned by half a turn."""
    turned, straight = convolution(IMAGE, KERNEL), cross_correlation(IMAGE, KERNEL)
    panels = (
        Panel("image", IMAGE),
        Panel("filter", KERNEL),
        Panel("convolution (6.7)", turned),
        Panel("cross-correlation (6.14)", straight),
    )
    same = cross_correlation(IMAGE, KERNEL[::-1, ::-1])
    return Figure(
        "Convolution and cross-correlation",
        panels,
        "The two are equal where the filter is turned by half a turn; a learned filter may be either.",
        {"image": IMAGE, "filter": KERNEL, "convolution": turned, "cross_correlation": straight, "turned": same},
    )


def toeplitz_and_polynomials(_: Path | None) -> Figure:
    """Figure 6.3: a convolution is a product with a Toeplitz matrix, and the product of two polynomials."""
    signal, kernel = np.array([1.0, 2, 0, 3]), np.array([2.0, 1, -1])
    matrix = toeplitz(kernel, len(signal))
    product = matrix @ signal
    panels = (
        Panel("Toeplitz matrix of the filter", matrix, frozenset((i + k, i) for i in range(4) for k in range(3))),
        Panel("signal", signal[:, None]),
        Panel("product", product[:, None]),
    )
    factors = f"({polynomial(signal)}) ({polynomial(kernel)}) = {polynomial(product)}"
    numbers = {"signal": signal, "filter": kernel, "matrix": matrix, "product": product, "polynomials": factors}
    return Figure("A convolution as a matrix and as a product of polynomials", panels, factors, numbers)


def translation(_: Path | None) -> Figure:
    """Figure 6.4: where the image is shifted the answer shifts as much; and what a dense layer would need instead."""
    image = np.zeros((7, 8))
    image[1:4, 1:4] = KERNEL
    shifted = np.roll(image, (2, 3), axis=(0, 1))
    answers = [cross_correlation(one, KERNEL) for one in (image, shifted)]
    places = [np.unravel_index(int(answer.argmax()), answer.shape) for answer in answers]
    panels = (
        Panel("image", image, _window(1, 1, 3)),
        Panel("answer", answers[0], frozenset({tuple(map(int, places[0]))})),  # type: ignore[arg-type]
        Panel("shifted by (2, 3)", shifted, _window(3, 4, 3)),
        Panel("answer", answers[1], frozenset({tuple(map(int, places[1]))})),  # type: ignore[arg-type]
    )
    dense, shared = dense_parameters(224 * 224, 222 * 222), parameter_count((3, 3), 1, 1)
    numbers = {"answers": answers, "dense_parameters": dense, "shared_parameters": shared}
    caption = f"From 224x224 to 222x222 a dense layer learns {dense:,} parameters, one 3x3 filter {shared}."
    return Figure("Translation invariance", panels, caption, numbers)


def padding(_: Path | None) -> Figure:
    """Figure 6.6: with zeros around it an image keeps its size; p of equation (6.17) counts both sides."""
    bordered = padded(IMAGE, 1, 1)
    found = cross_correlation(bordered, KERNEL)
    border = frozenset((i, j) for i in range(7) for j in range(7) if not (0 < i < 6 and 0 < j < 6))
    panels = (Panel("image with p = 2", bordered, border), Panel("filter", KERNEL), Panel("answer", found))
    side = output_size(5, 3, padding=2)
    return Figure("Padding", panels, f"(5 + 2 - 3) / 1 + 1 = {side} (6.17)", {"answer": found, "size": side})


def stride(_: Path | None) -> Figure:
    """Figure 6.7: with a stride of 2 every second place is looked at."""
    found = cross_correlation(IMAGE, KERNEL, stride=2)
    all_places = cross_correlation(IMAGE, KERNEL)
    kept = frozenset((i, j) for i in (0, 2) for j in (0, 2))
    panels = (Panel("image", IMAGE, _window(0, 2, 3)), Panel("stride 1", all_places, kept), Panel("stride 2", found))
    side = output_size(5, 3, stride=2)
    return Figure("Stride", panels, f"(5 - 3) / 2 + 1 = {side} (6.17)", {"answer": found, "size": side})


def dilation(_: Path | None) -> Figure:
    """Figure 6.8: a dilated filter looks at every second pixel, and so at a larger part of the image."""
    found = cross_correlation(IMAGE, KERNEL, dilation=2)
    spread = np.zeros((5, 5))
    spread[::2, ::2] = KERNEL
    lit = frozenset((i, j) for i in (0, 2, 4) for j in (0, 2, 4))
    panels = (Panel("image", IMAGE, lit), Panel("filter, dilation 2", spread, lit), Panel("answer", found))
    side = output_size(5, 3, dilation=2)
    caption = f"The filter reaches over 2 (3 - 1) + 1 = 5 pixels: {side} place is left."
    return Figure("Dilation", panels, caption, {"answer": found, "spread": cross_correlation(IMAGE, spread)})


def volume(_: Path | None) -> Figure:
    """Figure 6.9: a filter has as many channels as the image, whose answers are added up."""
    channels = np.stack([IMAGE[:4, :4], IMAGE[1:5, 1:5], IMAGE.T[:4, :4]])
    kernels = np.stack([KERNEL[:2, :2], KERNEL[1:, 1:], KERNEL[:2, 1:]])
    each = [cross_correlation(one, kernel) for one, kernel in zip(channels, kernels, strict=True)]
    found = cross_correlation(channels, kernels)
    panels = []
    for n, (one, kernel) in enumerate(zip(channels, kernels, strict=True), start=1):
        panels += [Panel(f"channel {n}", one, _window(0, 0, 2)), Panel(f"filter, {n}", kernel)]
    panels.append(Panel("sum", found, frozenset({(0, 0)})))
    caption = " + ".join(f"{one[0, 0]:g}" for one in each) + f" = {found[0, 0]:g}"
    numbers = {"image": channels, "filter": kernels, "answers": each, "sum": found}
    return Figure("Volume convolution", tuple(panels), caption, numbers)


def pooling(_: Path | None) -> Figure:
    """Figure 6.11: the largest value of each window, or its average."""
    image = np.array([[1.0, 3, 2, 1], [4, 2, 0, 5], [1, 0, 3, 3], [2, 1, 2, 4]])
    maxima, averages = pooled(image, 2, "max"), pooled(image, 2, "average")
    panels = (Panel("image", image, _window(0, 0, 2)), Panel("maximum", maxima), Panel("average", averages))
    caption = "Windows of 2x2 with a stride of 2 leave a quarter of the numbers."
    return Figure("Pooling", panels, caption, {"max": maxima, "average": averages})


def inception(_: Path | None) -> Figure:
    """Figure 6.13: the widths of an inception module's four paths, and what its filters learn by equation (6.23)."""
    paths = [(64,), (96, 128), (16, 32), (32,)]  # 1x1; 1x1 and 3x3; 1x1 and 5x5; pooling and 1x1
    kernels = [(1,), (1, 3), (1, 5), (1,)]
    rows = []
    for widths, sides in zip(paths, kernels, strict=True):
        inputs, learned = 192, 0
        for width, side in zip(widths, sides, strict=True):
            learned += parameter_count((side, side), inputs, width)
            inputs = width
        rows.append((192, widths[0] if len(widths) > 1 else 0, widths[-1], learned))
    table = np.array(rows, np.float64)
    panels = (
        Panel("paths: 1x1; 3x3; 5x5; pooling", table[:, :1]),
        Panel("reduced to", table[:, 1:2]),
        Panel("maps", table[:, 2:3], frozenset({(3, 0)})),
        Panel("parameters", table[:, 3:]),
    )
    maps = [widths[-1] for widths in paths]
    reduction = parameter_count((1, 1), 512, 8)
    caption = (
        f"192x28x28 becomes {sum(maps)}x28x28: {' + '.join(map(str, maps))}. The text gives the fourth path 192 maps, "
        f"which would make {sum(maps[:3]) + 192}: it must be 32.\nBy the same equation a reduction from 512 to 8 maps "
        f"learns (512 + 1) 8 = {reduction:,} parameters; the text's 4,112 is (512 + 2) 8."
    )
    numbers = {"maps": maps, "sum": sum(maps), "parameters": [row[3] for row in rows], "reduction": reduction}
    return Figure("Inception module", panels, caption, numbers)


FIGURES: dict[str, Callable[[Path | None], Figure]] = {
    "6.1": sobel,
    "6.3": toeplitz_and_polynomials,
    "6.4": translation,
    "6.6": padding,
    "6.7": stride,
    "6.8": dilation,
    "6.9": volume,
    "6.11": pooling,
    "6.13": inception,
    "6.14": convolution_and_correlation,
}
"""By their number."""

EQUATIONS = ("6.14",)
"""Numbers of those that are of an equation, which has no figure; (6.7) stands with it, since 6.7 is a figure too."""

ELSEWHERE = {
    "6.12": "of a trained network: python -m src.explain run=RUN_DIR method=deconvnet split=test",
    "6.15": "accuracy against parameters, over runs: python -m pipelines.report RUN_DIR...",
}
"""Figures that need more than arithmetic, and the command that draws them."""


def _window(top: int, left: int, size: int) -> frozenset[tuple[int, int]]:
    return frozenset((top + i, left + j) for i in range(size) for j in range(size))


def _gray(path: Path) -> Matrix:
    from src.data.decode import decode

    gray: Matrix = decode(path, 1)[..., 0].astype(np.float64)
    return gray


def _drawn_scene(size: int = 96) -> Matrix:
    """Return a disc, a square and a slope: edges of every direction."""
    rows, columns = np.mgrid[:size, :size]
    scene = 60 + 60 * columns / size
    scene[(rows - 36) ** 2 + (columns - 34) ** 2 < 22**2] = 210
    scene[(rows > 52) & (rows < 82) & (columns > 50) & (columns < 84)] = 20
    return np.asarray(scene, np.float64)
