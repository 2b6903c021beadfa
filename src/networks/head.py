"""The layers that produce a network's `num_classes` outputs, found without naming the family."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from src.errors import UserError
from src.networks.dropout import DroppingLinear


def head_name(network: nn.Module) -> str:
    """Return the dotted name of the layer that produces the logits."""
    return head_names(network)[0]


def head_names(network: nn.Module) -> tuple[str, ...]:
    """Return the dotted names of all output layers, the main one first, GoogLeNet's auxiliary ones after it.

    A network of timm says itself which they are. In every other family here the head is the last dense or
    convolutional layer in order of definition. Raises UserError where a network has none.
    """
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)}
    declared = _declared_by_timm(network)
    if declared and all(name in layers for name in declared):
        return declared
    if not layers:
        raise UserError(f"{type(network).__name__} has no dense or convolutional layer that could be its head")
    auxiliary = tuple(name for name in ("aux1.fc2", "aux2.fc2") if name in layers)
    return (list(layers)[-1], *auxiliary)


def replace_head(network: nn.Module, num_classes: int) -> None:
    """Give `network` new output layers for `num_classes` classes, in place; all other weights stay."""
    for name in head_names(network):
        old = network.get_submodule(name)
        if isinstance(old, nn.Conv2d):  # SqueezeNet: a convolution before the global average
            new: nn.Module = nn.Conv2d(
                old.in_channels, num_classes, kernel_size=1, bias=old.bias is not None, device=old.weight.device
            )
        elif isinstance(old, nn.Linear):
            new = nn.Linear(old.in_features, num_classes, bias=old.bias is not None, device=old.weight.device)
            if isinstance(old, DroppingLinear):
                new = DroppingLinear.like(new, old.dropout)
        network.set_submodule(name, new)


def _declared_by_timm(network: nn.Module) -> tuple[str, ...]:
    config = getattr(network, "pretrained_cfg", None)
    declared = config.get("classifier") if isinstance(config, dict) else None
    return (declared,) if isinstance(declared, str) else tuple(declared or ())


def main_and_auxiliary(outputs: Tensor | Sequence[Tensor | None]) -> tuple[Tensor, list[Tensor]]:
    """Divide what a network returned into the main logits (B, K) and those of intermediate classifiers, if any.

    A network with such classifiers returns a sequence while it trains, the main logits first, as GoogLeNet does.
    """
    if isinstance(outputs, Tensor):
        return outputs, []
    main = outputs[0]
    assert main is not None
    return main, [scores for scores in outputs[1:] if scores is not None]
