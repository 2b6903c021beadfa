"""How large a layer's output is, and how many parameters it learns (chapter, equations (6.17), (6.22) and (6.23))."""

from __future__ import annotations

from dataclasses import dataclass


def output_size(size: int, kernel: int, *, padding: int = 0, stride: int = 1, dilation: int = 1) -> int:
    """Return the output's height or width in pixels, equation (6.17).

    `padding` is the total of both sides: torch's `padding=1` is 2 here. A stride of 0, which the chapter's text once
    calls the default, would never leave the first position: 1 is meant. Raises ValueError for it, for negative
    numbers, and where the dilated kernel is larger than the padded input.
    """
    if stride < 1:
        raise ValueError(f"stride={stride}: a filter that does not move has no output size; the default is 1")
    if min(size, kernel, dilation) < 1 or padding < 0:
        raise ValueError(f"size={size}, kernel={kernel}, dilation={dilation}, padding={padding}: too small")
    reach = dilation * (kernel - 1) + 1
    if reach > size + padding:
        raise ValueError(f"a kernel that reaches over {reach} does not fit into {size} + {padding} of padding")
    return (size + padding - reach) // stride + 1


def parameter_count(kernel: tuple[int, int], in_channels: int, out_channels: int, *, bias: bool = True) -> int:
    """Return how many parameters a convolution layer learns, equation (6.23).

    Every output channel has one filter over all input channels and, with `bias`, one constant. A reduction of depth
    from 512 to 8 channels by 1x1 filters has (512 + 1) * 8 = 4,104; the 4,112 of the chapter's text counts it as if
    there were (512 + 2) * 8.
    """
    return (kernel[0] * kernel[1] * in_channels + bias) * out_channels


@dataclass(frozen=True)
class LayerCounts:
    """How many layers of each kind a network has, equation (6.22)."""

    convolutions: int
    dense: int
    pooling: int

    @property
    def trained(self) -> int:
        """Return L_train = L_conv + L_dense."""
        return self.convolutions + self.dense

    @property
    def total(self) -> int:
        """Return L = L_train + L_pool."""
        return self.trained + self.pooling
