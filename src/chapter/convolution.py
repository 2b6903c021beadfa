"""The chapter's operations written as their equations are, on small arrays of numbers."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Real = TypeVar("Real", bound=np.floating[Any])

SOBEL_X: Matrix = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
"""Answers to edges that run from top to bottom (section 6.1)."""
SOBEL_Y: Matrix = SOBEL_X.T
"""Answers to edges that run from left to right."""


def sum_of_both(across: NDArray[Real], down: NDArray[Real]) -> NDArray[Real]:
    """Return the sum of both filters' magnitudes: edges of every direction, as Figure 6.1 shows them."""
    found: NDArray[Real] = np.abs(across) + np.abs(down)
    return found


def cross_correlation(image: Matrix, kernel: Matrix, stride: int = 1, dilation: int = 1) -> Matrix:
    """Return the sums of products of a filter with every part of an image that it fits into, equation (6.14).

    Image (H, W), or (C, H, W) with a kernel of as many channels, as in the volume convolution of Figure 6.9; result
    (h, w). It is what frameworks call a convolution.
    """
    image, kernel = np.atleast_3d(image.T).T, np.atleast_3d(kernel.T).T  # a leading axis of channels
    rows, columns = kernel.shape[1:]
    height = (image.shape[1] - (rows - 1) * dilation - 1) // stride + 1
    width = (image.shape[2] - (columns - 1) * dilation - 1) // stride + 1
    found = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            top, left = i * stride, j * stride
            part = image[:, top : top + rows * dilation : dilation, left : left + columns * dilation : dilation]
            found[i, j] = np.sum(part[:, :rows, :columns] * kernel)
    return found


def convolution(image: Matrix, kernel: Matrix) -> Matrix:
    """Return the convolution, equation (6.7): the filter is turned by half a turn before it is moved over the image."""
    return cross_correlation(image, kernel[..., ::-1, ::-1])


def padded(image: Matrix, before: int, after: int) -> Matrix:
    """Return an image (H, W) with zeros around it; their sum is the p of equation (6.17)."""
    return np.pad(image, (before, after))


def pooled(image: Matrix, window: int, kind: str) -> Matrix:
    """Return the maxima, or the averages, over windows that lie side by side (Figure 6.11)."""
    height, width = (side // window for side in image.shape)
    parts = image[: height * window, : width * window].reshape(height, window, width, window)
    found: Matrix = parts.max(axis=(1, 3)) if kind == "max" else parts.mean(axis=(1, 3))
    return found


def toeplitz(kernel: Matrix, length: int) -> Matrix:
    """Return the matrix whose product with a signal of so many values is its full convolution with a filter (K,).

    It has length + K - 1 rows, and the filter's values along its diagonals (Figure 6.3).
    """
    matrix = np.zeros((length + len(kernel) - 1, length))
    for column in range(length):
        matrix[column : column + len(kernel), column] = kernel
    return matrix


def polynomial(coefficients: Matrix) -> str:
    """Return a polynomial as text, the constant first."""
    powers = ["", "x", *(f"x^{power}" for power in range(2, len(coefficients)))]
    terms = [
        power if value == 1 and power else f"{value:g}{power}"
        for value, power in zip(coefficients, powers, strict=False)
        if value
    ]
    return " + ".join(terms).replace("+ -", "- ") or "0"


def dense_parameters(inputs: int, outputs: int) -> int:
    """Return what a dense layer learns: a weight for each pair, and a constant for each output."""
    return (inputs + 1) * outputs
