"""Learned weights into a network that may have another head or another number of input channels."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping

from torch import Tensor, nn

from src.errors import UserError, listed
from src.networks.head import head_names
from src.networks.input_layer import first_conv_name, spread_channels
from src.networks.stem import SMALL_IMAGE
from src.networks.weights_file import read_state, weights_file

log = logging.getLogger(__name__)


def load_weights(
    network: nn.Module,
    weights: str | None,
    published: Mapping[str, str],
    ignore: tuple[str, ...] = (),
    stem: str | None = None,
) -> None:
    """Load what `network.weights` names, in place; null loads nothing.

    `published` has the URL of each name. Keys that start with one of `ignore` are left out. `stem` is how the network
    begins, where it can begin in several ways. Raises UserError where the weights cannot be found, fetched or read, or
    do not fit.
    """
    if weights is None:
        return
    state = read_state(weights_file(weights, published))
    state = {key: value for key, value in state.items() if not key.startswith(ignore)} if ignore else state
    known = within_a_part(state, network.state_dict())
    load_state(network, known, f"network.weights={weights}", hint=_stem_hint(network, known, stem))


def within_a_part(state: Mapping[str, Tensor], own: Collection[str]) -> Mapping[str, Tensor]:
    """Return the tensors that lie below one part of a larger model (`backbone.`), by their names there.

    That part which knows most of the names `own`, where it knows the half of them; else all tensors as they are, as
    also where any has a name of `own` already.
    """
    if any(key in own for key in state):
        return state
    found = Counter(
        key[:dot] for key in state for dot, letter in enumerate(key) if letter == "." and key[dot + 1 :] in own
    )
    part, known = found.most_common(1)[0] if found else ("", 0)
    if 2 * known < len(own):
        return state
    log.info("network.weights: those of its part %s", part)
    return {key.removeprefix(f"{part}."): value for key, value in state.items() if key.startswith(f"{part}.")}


def _stem_hint(network: nn.Module, state: Mapping[str, Tensor], stem: str | None) -> str:
    """Return which stem weights want whose first convolution has filters of another size; nothing where it has not."""
    name = first_conv_name(network)
    found = state.get(f"{name}.weight")
    if stem is None or name is None or found is None or found.ndim != 4:
        return ""
    there, here = (int(weight.shape[-1]) for weight in (found, network.get_parameter(f"{name}.weight")))
    if there == here:
        return ""
    return (
        f"Their first filters are {there}x{there}, those of network.stem={stem} are {here}x{here}: type "
        f"network.stem={'imagenet' if there > here else 'small'} (auto is small up to {SMALL_IMAGE} px)"
    )


def load_state(
    network: nn.Module, state: Mapping[str, Tensor], origin: str, *, new_head: bool = True, hint: str = ""
) -> None:
    """Load `state` into `network`, in place; nothing is loaded where it does not fit.

    With `new_head` output layers of another shape, or absent ones, stay as they are, and a first convolution learned on
    another number of channels is spread over those here. `origin` names the weights in messages. Raises UserError with
    all other missing, unexpected and misshapen keys, and the `hint`.
    """
    own = network.state_dict()
    state = dict(state)
    kept = _new_head_keys(network, own, state) if new_head else set()
    for key in kept:
        state.pop(key, None)
    if new_head:
        _fit_channels(network, own, state)
    _require_fit(own, state, kept, f"{origin} does not fit this {type(network).__name__}", hint)
    network.load_state_dict(state, strict=False)
    if kept:
        log.info("%s: the head is new (%s)", origin, ", ".join(sorted(kept)))


def _new_head_keys(network: nn.Module, own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> set[str]:
    """Return the keys of output layers that `state` lacks or has in another shape."""
    keys: set[str] = set()
    for name in head_names(network):
        layer = {key for key in own if key.startswith(f"{name}.")}
        if any(key not in state or state[key].shape != own[key].shape for key in layer):
            keys |= layer
    return keys


def _fit_channels(network: nn.Module, own: Mapping[str, Tensor], state: dict[str, Tensor]) -> None:
    name = first_conv_name(network)
    key = f"{name}.weight"
    if name is None or key not in state or state[key].ndim != 4:
        return
    found, here = state[key].shape, own[key].shape
    if found[1] != here[1] and (found[0], *found[2:]) == (here[0], *here[2:]):
        state[key] = spread_channels(state[key], here[1])
        log.info("%s: learned on %d channels, spread over %d", key, found[1], here[1])


def _require_fit(
    own: Mapping[str, Tensor], state: Mapping[str, Tensor], kept: set[str], complaint: str, hint: str
) -> None:
    """Raise UserError with all keys that do not fit; old files lack BatchNorm's counters, which nothing depends on."""
    missing = [key for key in own if key not in state and key not in kept and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in own]
    misshapen = [
        f"{key} {tuple(value.shape)} instead of {tuple(own[key].shape)}"
        for key, value in state.items()
        if key in own and value.shape != own[key].shape
    ]
    groups = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    found = [f"  {kind} ({len(keys)}): {listed(keys)}" for kind, keys in groups.items() if keys]
    if found:
        reason = hint or "these weights belong to another network"
        raise UserError("\n".join([f"{complaint}: {reason}", *found]))
