"""The first convolution, made to fit images of any number of channels."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def first_conv_name(network: nn.Module) -> str | None:
    """Return the dotted name of the first convolution in order of definition, None where there is none."""
    return next((name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)), None)


def fit_input(network: nn.Module, in_channels: int, init: Callable[[nn.Conv2d], None]) -> None:
    """Put a new first convolution for `in_channels` into `network` where the present one takes another number.

    All else of the layer stays. `init` draws its weights as the family does.
    """
    name = first_conv_name(network)
    old = network.get_submodule(name) if name else None
    if name is None or not isinstance(old, nn.Conv2d) or old.in_channels == in_channels:
        return
    new = nn.Conv2d(
        in_channels,
        old.out_channels,
        kernel_size=(old.kernel_size[0], old.kernel_size[1]),
        stride=(old.stride[0], old.stride[1]),
        padding=old.padding,  # type: ignore[arg-type]
        bias=old.bias is not None,
    )
    init(new)
    network.set_submodule(name, new)


def kaiming_fan_out(conv: nn.Conv2d) -> None:
    """Initialise as He et al. (2015) for ReLU, keeping the variance of the gradient; biases are zero."""
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


def spread_channels(weight_OIHW: Tensor, in_channels: int) -> Tensor:
    """Return learned kernels (O, I, H, W) for images of another number of channels, (O, C, H, W).

    Every new channel gets the sum over the learned ones divided by C. So one channel gets the sum, and an image whose
    channels are all equal has the response that a grey image had before, whatever their number.
    """
    summed = weight_OIHW.sum(dim=1, keepdim=True)
    return (summed / in_channels).repeat(1, in_channels, 1, 1)
