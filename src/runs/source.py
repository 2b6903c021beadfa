"""What a training starts from: `model.source`, a finished run, whose network is taken over, or learned weights.

Settled before torch is imported and written into the run's own configuration, so that a run does not depend on the
directory that it started from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from src.config.composed import Composed
from src.config.signatures import class_literal
from src.errors import UserError
from src.networks.stem import automatic_stem

DIVISION = ("fold", "folds", "val_fraction", "test_fraction")
"""The keys of `data` that say who is trained on and who is tested."""


def settle_source(composed: Composed) -> None:
    """Turn `model.source` into the network that it means, with `network.weights` naming it.

    Raises UserError where there is no such run or file, where the run has not finished or is of a kind that the model
    cannot start from, and where another network, or other weights, were typed.
    """
    source = composed.config.model.get("source")
    if source is None:
        return
    path = Path(source).expanduser()
    weights = composed.config.network.get("weights")
    if weights not in (None, source):
        raise UserError(
            f"model.source={source} and network.weights={weights} both say what to start from: leave out one"
        )
    if path.is_dir():
        source = str(path.resolve())
        learned = run_config(path)
        _require_kind(composed, source, learned)
        network = dict(learned["network"])
        if network.get("stem") == "auto":  # as it was settled for the images of that run, whatever size they have here
            network["stem"] = automatic_stem(json.loads((path / "data.json").read_text())["image_size"])
        _require_same_network(composed, source, network)
        _settle_from_source(composed, source, learned)
        composed.config.network = OmegaConf.create(network)
        composed.config.model.source = source
    elif not path.is_file() and ("/" in source and not source.startswith(("http://", "https://"))):
        there = next(parent for parent in path.absolute().parents if parent.is_dir())
        names = sorted(child.name for child in there.iterdir() if not child.name.startswith("."))
        inside = ", ".join(names[:10]) or "nothing"
        raise UserError(f"model.source={source}: no such run directory or file; {there} holds {inside}")
    composed.config.network.weights = source


def weights_digest(config: Mapping[str, Any]) -> str | None:
    """Return a digest of the file of weights that a settled configuration starts from; None where there is none here:
    published weights are known by their name.
    """
    path = Path(str(config["network"].get("weights"))).expanduser()
    file = path / "weights.safetensors" if path.is_dir() else path
    if not file.is_file():
        return None
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def run_config(path: Path) -> dict[str, Any]:
    """Return the configuration of a finished run. Raises UserError where it is none, or has no weights."""
    try:
        config: dict[str, Any] = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"model.source={path} is no run directory: there is no config.yaml in it") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"model.source={path}: its config.yaml cannot be read: {error}") from error
    if not (path / "weights.safetensors").is_file():
        last = path / "checkpoints" / "last.ckpt"
        instead = f"; its last checkpoint is model.source={last}" if last.is_file() else ""
        raise UserError(f"model.source={path} has no weights.safetensors: the run has not finished{instead}")
    return config


def starts_with_new_head(config: Mapping[str, Any], classes: tuple[str, ...]) -> bool:
    """Return whether the output layers that a source run learned mean nothing here: other classes, or no classes."""
    path = Path(str(config["model"].get("source")))
    if not path.is_dir():
        return False
    kinds = [class_literal(section["_target_"], "head") for section in (config["model"], run_config(path)["model"])]
    if kinds[0] != kinds[1]:
        return True
    known = json.loads((path / "data.json").read_text(encoding="utf-8"))["classes"]
    return kinds[0] == "classes" and tuple(known) != classes


def _require_kind(composed: Composed, source: str, learned: Mapping[str, Any]) -> None:
    """Raise UserError where the model needs a source of another kind; `source_models` in its class says which."""
    wanted = class_literal(composed.config.model._target_, "source_models")
    found = str(learned["model"]["_target_"])
    if wanted and found not in wanted:
        name, kinds = found.rpartition(".")[2], " or ".join(str(kind).rpartition(".")[2] for kind in wanted)
        model = composed.choices.get("model")
        raise UserError(f"model={model} starts from a {kinds}; model.source={source} is a {name}")


def _settle_from_source(composed: Composed, source: str, learned: Mapping[str, Any]) -> None:
    """Put the source's values in place of `auto` in the keys that a model takes from there.

    Raises UserError where another value was typed, or another division of the same data.
    """
    target = composed.config.model._target_
    keys = class_literal(target, "from_source") or ()
    for key in keys:
        own, found = composed.config.model[key], learned["model"][key]
        if own not in ("auto", found):
            raise UserError(f"model.{key}={own}: the run model.source={source} has {found}; leave it out")
        composed.config.model[key] = found
    data: Any = OmegaConf.to_container(composed.config.data, resolve=True)
    before = learned["data"]
    if keys and _place(data["source"]) == _place(before["source"]):
        _require_same_division(source, data, before)


def require_strangers(config: Mapping[str, Any], contents: str) -> None:
    """Raise UserError where identities that a source run learned would be tested: its data, wherever they lie by now,
    in another division. `contents` is the `DataSpec`'s.
    """
    source = config["model"].get("source")
    if source is None or not class_literal(config["model"]["_target_"], "from_source") or not Path(source).is_dir():
        return
    known = json.loads((Path(source) / "data.json").read_text(encoding="utf-8")).get("contents")
    if known == contents:
        _require_same_division(source, config["data"], run_config(Path(source))["data"])


def _require_same_division(source: str, data: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    wanted = {f"data.{key}": before[key] for key in DIVISION if data[key] != before[key]}
    pairs = before["source"].get("pairs")
    if data["source"].get("pairs") != pairs:
        wanted["data.source.pairs"] = pairs
    other = [f"{key}={'null' if value is None else value}" for key, value in wanted.items()]
    if other:
        raise UserError(
            f"model.source={source} was trained on another division of these data, so that identities which it knows "
            f"would be tested here; type {' '.join(other)}"
        )


def _place(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return what says which data a source section means, but not how they are divided."""
    known = {key: value for key, value in section.items() if key not in ("pairs", "triplets", "channels")}
    return known | {"root": Path(str(known.get("root", ""))).expanduser().resolve()}


def _require_same_network(composed: Composed, source: str, network: Mapping[str, Any]) -> None:
    """Raise UserError where what was typed of the network contradicts the run's."""
    chosen = {override.key for override in composed.typed if override.is_choice(composed.groups)}
    here = OmegaConf.to_container(composed.config.network, resolve=True)
    assert isinstance(here, dict)
    typed = [override.key for override in composed.typed if override.key.startswith("network.")]
    keys = set(here) | set(network) if "network" in chosen else {key.split(".")[1] for key in typed}
    if "network" in chosen and here.get("_target_") != network.get("_target_"):
        names = [str(section.get("_target_")).rpartition(".")[2] for section in (network, here)]
        raise UserError(
            f"model.source={source} is a run of another network than was typed: it is a {names[0]}, not a {names[1]}. "
            "Leave out network=: it is the source's"
        )
    other = [
        f"network.{key}={network.get(key)}, not {here.get(key)}"
        for key in sorted(keys - {"weights"})
        if here.get(key) != network.get(key)
    ]
    if other:
        raise UserError(
            f"model.source={source} is a run of another network than was typed: it has {'; '.join(other)}. "
            "Leave out network=: it is the source's"
        )
