"""Any network of timm, by name: https://huggingface.co/docs/timm."""

from __future__ import annotations

import difflib
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Lt
from torch import nn

from src.errors import UserError
from src.networks.download import downloaded
from src.networks.published import finished, require_as_published

HUB_FILE = "model.safetensors"

RESERVED = {
    "pretrained": "network.weights decides it",
    "pretrained_cfg": "network.weights decides it",
    "pretrained_cfg_overlay": "network.weights decides it",
    "checkpoint_path": "network.weights decides it",
    "num_classes": "the data decide it",
    "in_chans": "the data decide it",
    "features_only": "a classifier needs its head",
}
"""Arguments of timm.create_model that `network.options` must leave alone, and why."""


def timm_network(
    *,
    name: str,
    options: Mapping[str, Any],
    dropout: Annotated[float, Ge(0), Lt(1)] | None = None,
    weights: str | None,
    num_classes: Annotated[int, Ge(1)],
    in_channels: Annotated[int, Ge(1)],
    image_size: Annotated[int, Ge(1)],
    **variation: Any,
) -> nn.Module:
    """Build timm's network `name`, such as resnet10t, or resnet50.a1_in1k to say which published weights are meant.

    `weights: pretrained` are those that timm prefers, or the name's own; a tag (a1_in1k) chooses others. timm fits them
    to other numbers of classes and channels (by its own rule, which repeats the kernels of red, green and blue). A
    network made for one image size is built for this one. `dropout` before the head is timm's drop_rate; None is its
    default. Raises UserError for what timm does not know or cannot build, and for variations that do not fit.
    """
    configs = published_configs(name)
    arguments = {**_checked(options), "num_classes": num_classes, "in_chans": in_channels}
    if dropout is not None:
        if "drop_rate" in options:
            raise UserError(f"network.dropout={dropout} is network.options.drop_rate; leave one of the two away")
        arguments["drop_rate"] = dropout
    if _made_for_one_size(name):
        arguments.setdefault("img_size", image_size)
    if weights in configs:
        require_as_published(str(weights), variation.get("normalization", "as_published"), variation.get("reduction"))
        overlay = {"file": str(_published_file(configs[weights])), "custom_load": False}
        name = f"{name.partition('.')[0]}.{configs[weights].tag}"
        arguments |= {"pretrained": True, "pretrained_cfg_overlay": overlay}
    urls = {tag: _url(config) for tag, config in configs.items()}
    network, others = _created(name, arguments), None if weights in configs else weights
    return finished(network, in_channels, image_size, others, urls, **variation)


def published_configs(name: str) -> dict[str, Any]:
    """Return timm's PretrainedCfg of each of the weights for `name`, by tag, and of those it prefers as `pretrained`.

    For a name with a tag there are only its own. Raises UserError for a name that timm does not know.
    """
    import timm

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise UserError(f"network.name={name}: timm has no such network" + _nearest(architecture, timm.list_models()))
    tags = [found.partition(".")[2] for found in timm.list_models(architecture, pretrained=True)]
    if tag and tag not in tags:
        raise UserError(f"network.name={name}: timm has no weights {tag} for {architecture}" + _nearest(tag, tags))
    configs = {found: timm.get_pretrained_cfg(f"{architecture}.{found}") for found in ([tag] if tag else tags)}
    return {"pretrained": timm.get_pretrained_cfg(name), **configs} if configs else {}


def _nearest(word: str, words: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, words, n=5, cutoff=0.4)
    return f"; the nearest are {', '.join(near)}" if near else ""


def _made_for_one_size(name: str) -> bool:
    """Whether timm must be told the image size, as for most transformers."""
    import timm

    config = timm.get_pretrained_cfg(name)
    return config is not None and bool(config.fixed_input_size)


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    for key in options:
        if key in RESERVED:
            raise UserError(f"network.options.{key} cannot be given: {RESERVED[key]}")
    return dict(options)


def _created(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    import timm
    from safetensors import SafetensorError

    try:
        network: nn.Module = timm.create_model(name, **arguments)
    except (TypeError, ValueError, KeyError, AssertionError, RuntimeError) as error:
        raise UserError(f"network.name={name}: timm cannot build it: {error}") from error
    except (SafetensorError, pickle.UnpicklingError, EOFError) as error:
        file = arguments["pretrained_cfg_overlay"]["file"]
        raise UserError(f"{file} is damaged ({error}); remove it, so that it is fetched again") from error
    return network


def _url(config: Any) -> str:
    """Return where published weights are: on the Hugging Face hub, or for a few networks elsewhere."""
    if not config.hf_hub_id:
        return str(config.url)
    from huggingface_hub import hf_hub_url

    repository, _, revision = config.hf_hub_id.partition("@")
    return hf_hub_url(repository, config.hf_hub_filename or HUB_FILE, revision=revision or None)


def _published_file(config: Any) -> Path:
    """Return the file of published weights, from the hub's own cache where it is there.

    Fetched as all other weights are, since the hub's client tries for most of a minute where there is no network.
    """
    from huggingface_hub import try_to_load_from_cache

    if config.hf_hub_id:
        repository, _, revision = config.hf_hub_id.partition("@")
        kept = try_to_load_from_cache(repository, config.hf_hub_filename or HUB_FILE, revision=revision or None)
        if isinstance(kept, str):
            return Path(kept)
    return downloaded(_url(config))
