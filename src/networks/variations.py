"""Changes that most convolutional networks allow: normalisation, pooling, dropout, fewer maps before the head."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.errors import UserError
from src.networks.dropout import DroppingLinear
from src.networks.features import final_features, modules_behind
from src.networks.head import head_names

Normalization = Literal["as_published", "none", "batch", "group", "group_chapter"]
Pooling = Literal["as_published", "max", "average"]

GROUPS = 32
"""Groups of channels, where their number is a multiple of it (Wu and He 2018, Table 3)."""
FEWEST = 2
"""Channels of a group: with one each, `group` would be instance normalisation and `group_chapter` the batch's."""


class MiniBatchGroupNorm(nn.Module):
    """The chapter's group normalisation: statistics of a group of channels over the mini-batch, one gamma per group.

    Maps (B, C, H, W) to the same shape. Torch's `GroupNorm` (Wu and He 2018) takes its statistics from each sample
    alone and learns a gamma and a beta per channel. As with batch normalisation, evaluation uses running averages.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, groups: int, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        if channels % groups:
            raise ValueError(f"{channels} channels do not divide into {groups} groups")
        self.groups, self.eps, self.momentum = groups, eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(groups)), nn.Parameter(torch.zeros(groups))
        self.register_buffer("running_mean", torch.zeros(groups))
        self.register_buffer("running_var", torch.ones(groups))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return gamma * (x - mean) / deviation + beta, group by group."""
        each = x_BCHW.shape[1] // self.groups
        if not self.training:
            mean, var, gamma, beta = (
                values.repeat_interleave(each)
                for values in (self.running_mean, self.running_var, self.weight, self.bias)
            )
            return F.batch_norm(x_BCHW, mean, var, gamma, beta, False, self.momentum, self.eps)
        grouped = x_BCHW.reshape(len(x_BCHW), self.groups, -1)
        normed = F.batch_norm(
            grouped, self.running_mean, self.running_var, self.weight, self.bias, True, self.momentum, self.eps
        )
        return normed.view(x_BCHW.shape)


def normalization_of(kind: Normalization, channels: int) -> nn.Module:
    """Return a layer that normalises maps of so many channels.

    Groups are as many as divide the channels, up to 32, of at least two channels each; a prime number of channels is
    one group.
    """
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    most = max(1, min(GROUPS, channels // FEWEST))
    groups = next(groups for groups in range(most, 0, -1) if channels % groups == 0)
    return nn.GroupNorm(groups, channels) if kind == "group" else MiniBatchGroupNorm(groups, channels)


def normalize_otherwise(network: nn.Module, kind: Normalization) -> None:
    """Change the normalisation of a network, in place.

    Batch normalisation is replaced where it is, and what it holds, such as timm's activation, is kept behind it; with
    `none` the convolution before it gets the bias that it did without. A network that has none gets a layer behind
    each convolution that is not its head, which then needs no bias; response normalisation goes. Raises UserError for
    a network that normalises in another way, as transformers do.
    """
    if kind == "as_published":
        return
    layers = dict(network.named_modules())
    present = [name for name, layer in layers.items() if isinstance(layer, nn.BatchNorm2d)]
    other = next((layer for layer in layers.values() if isinstance(layer, nn.LayerNorm | nn.GroupNorm)), None)
    if other is not None:
        raise UserError(
            f"network.normalization={kind}: {type(network).__name__} is normalised by {type(other).__name__}, which "
            "has no other form here; leave network.normalization away"
        )
    if not present and kind != "none":
        _insert(network, kind)
    for name in present if kind != "batch" else ():
        old = layers[name]
        assert isinstance(old, nn.BatchNorm2d)
        new = nn.Identity() if kind == "none" else normalization_of(kind, old.num_features)
        held = list(old.children())
        network.set_submodule(name, nn.Sequential(new, *held) if held else new)
    for name, layer in layers.items():
        if isinstance(layer, nn.LocalResponseNorm):
            network.set_submodule(name, nn.Identity())
        if kind == "none" and present and isinstance(layer, nn.Conv2d) and layer.bias is None:
            layer.bias = nn.Parameter(torch.zeros(layer.out_channels, device=layer.weight.device))


def _insert(network: nn.Module, kind: Normalization) -> None:
    heads = head_names(network)
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Conv2d) and name not in heads:
            layer.bias = None
            network.set_submodule(name, nn.Sequential(layer, normalization_of(kind, layer.out_channels)))


def pool_otherwise(network: nn.Module, kind: Pooling) -> None:
    """Make all pooling with a window maxima, or averages, in place; padding does not count in averages.

    Raises UserError where there is no such pooling, as in a ResNet with the small stem, or one of a library's own.
    """
    windows = any(isinstance(layer, nn.MaxPool2d | nn.AvgPool2d) for layer in network.modules())
    if kind != "as_published" and not windows:
        raise UserError(
            f"network.pooling={kind}: this {type(network).__name__} has no pooling with a window, only strides; leave "
            "network.pooling away (a ResNet has one with network.stem=imagenet)"
        )
    for name, layer in list(network.named_modules()):
        special = isinstance(layer, nn.MaxPool2d | nn.AvgPool2d) and type(layer) not in (nn.MaxPool2d, nn.AvgPool2d)
        if kind != "as_published" and special:  # it would lose what it does besides, such as padding by its own rule
            raise UserError(
                f"network.pooling={kind}: {type(network).__name__} pools by {type(layer).__name__}, which has no other "
                "form here; leave network.pooling away"
            )
        if isinstance(layer, nn.MaxPool2d) and kind == "average":
            window = (layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode)
            network.set_submodule(name, nn.AvgPool2d(*window, count_include_pad=False))
        if isinstance(layer, nn.AvgPool2d) and kind == "max":
            pool = nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode)
            network.set_submodule(name, pool)


def reduce_depth(network: nn.Module, channels: int, in_channels: int, image_size: int) -> None:
    """Put 1x1 filters to so many `channels` behind the final features, in place, and fit the next layer to them.

    From 512 to 8 channels they are 4,104 parameters by equation (6.23). Raises UserError where the next layer is
    neither dense nor a convolution.
    """
    name, (depth, _, _) = final_features(network, in_channels, image_size)
    features = network.get_submodule(name)
    behind = modules_behind(network, name, in_channels, image_size)
    learned = [(key, layer) for key, layer in behind if any(True for _ in layer.parameters(recurse=False))]
    key, following = learned[0] if learned else ("", nn.Identity())
    reduction = nn.Sequential(nn.Conv2d(depth, channels, kernel_size=1), nn.ReLU(inplace=True))
    for _, layer in behind:
        if getattr(layer, "inplace", False):  # an activation behind this one's would overwrite what its gradient needs
            setattr(layer, "inplace", False)  # noqa: B010 - a module's attributes are declared as tensors
    if isinstance(following, nn.Linear) and following.in_features % depth == 0:
        dense = nn.Linear(following.in_features // depth * channels, following.out_features, following.bias is not None)
        network.set_submodule(key, dense)
    elif isinstance(following, nn.Conv2d) and following.groups == 1:
        conv = nn.Conv2d(
            channels,
            following.out_channels,
            cast(tuple[int, int], following.kernel_size),
            cast(tuple[int, int], following.stride),
            cast(tuple[int, int] | str, following.padding),
            cast(tuple[int, int], following.dilation),
            bias=following.bias is not None,
        )
        network.set_submodule(key, conv)
    else:
        raise UserError(
            f"network.reduction={channels}: behind the features of {type(network).__name__} comes "
            f"{type(following).__name__}, not a dense layer; leave network.reduction away"
        )
    network.set_submodule(name, nn.Sequential(features, reduction))


def drop_otherwise(network: nn.Module, dropout: float) -> None:
    """Give a network's dense layers another dropout, in place.

    Where it has dropout, the share changes. Else its head and the dense layers beside it drop inputs.
    """
    present = [layer for layer in network.modules() if isinstance(layer, nn.Dropout)]
    for layer in present:
        layer.p = dropout
    if present:
        return
    heads = head_names(network)
    holder = heads[0].rpartition(".")[0]
    for name, module in list(network.named_modules()):
        beside = bool(holder) and name.startswith(f"{holder}.")
        if isinstance(module, nn.Linear) and (name in heads or beside):
            network.set_submodule(name, DroppingLinear.like(module, dropout))
