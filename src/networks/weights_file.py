"""Files of learned weights: found by published name, URL, run directory or path, and read.

Nothing is unpickled: .safetensors holds tensors alone, and other files are read with `weights_only=True`.
"""

from __future__ import annotations

import difflib
import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from src.errors import UserError, listed
from src.networks.download import downloaded


def weights_file(weights: str, published: Mapping[str, str]) -> Path:
    """Return the local file behind a published name, a URL, a run directory or a path.

    Raises UserError where there is none, or it cannot be fetched.
    """
    if weights in published or is_url(weights):
        return downloaded(published.get(weights, weights))
    return local_file(weights, published)


def is_url(weights: str) -> bool:
    """Whether weights are to be fetched from an address."""
    return weights.startswith(("http://", "https://"))


def local_file(weights: str, names: Collection[str]) -> Path:
    """Return the file at a path or in a run directory.

    Raises UserError where there is none, with the nearest of the published `names`.
    """
    path = Path(weights).expanduser()
    if path.is_dir():
        return _file_of_run(path)
    if path.is_file():
        return path
    near = difflib.get_close_matches(weights.upper(), {name.upper() for name in names}, n=1, cutoff=0.4)
    meant = [name for name in names if name.upper() in near]
    raise UserError(
        f"network.weights={weights} is no file, folder or URL, nor published weights of this network (these are: "
        f"{listed(list(names)) or 'none'})" + (f"; did you mean network.weights={meant[0]}?" if meant else "")
    )


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors in a file of weights by their names in the bare network; what lies beside it is left out.

    Understood are plain dictionaries of tensors, Lightning's checkpoints, of which the keys `network.*` are taken, and
    the usual wrappings of others: `state_dict`, `model_state_dict`, `model`, and `module.` before every name. Raises
    UserError where the file is damaged or holds more than tensors.
    """
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            parts = parts_beside_the_network(path)
            stored: Any = {k: v for k, v in load_file(path).items() if k.partition(".")[0] not in parts}
        else:
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is damaged, or holds Python objects besides tensors, which are not loaded because that can run "
            "anybody's code. Where you trust it: torch.save(network.state_dict(), FILE) in the program that wrote it"
        ) from error
    except Exception as error:  # what a reader raises on other bytes is anything from KeyError to struct.error
        raise UserError(f"{path} cannot be read as weights: {_first_line(error)}") from error
    return _bare_names(stored, path)


def parts_beside_the_network(path: Path) -> frozenset[str]:
    """Return the first names of the tensors in a run's .safetensors that are not the network's: other heads."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        parts = (file.metadata() or {}).get("parts", "")
    return frozenset(filter(None, parts.split(",")))


def _file_of_run(folder: Path) -> Path:
    file = folder / "weights.safetensors"
    if not file.is_file():
        last = folder / "checkpoints" / "last.ckpt"
        raise UserError(
            f"network.weights={folder} has no weights.safetensors: it is no run directory, or its run has not finished"
            + (f"; its last checkpoint is network.weights={last}" if last.is_file() else "")
        )
    return file


def _bare_names(stored: Any, path: Path) -> dict[str, Tensor]:
    for wrapping in ("state_dict", "model_state_dict", "model"):
        if isinstance(stored, Mapping) and isinstance(stored.get(wrapping), Mapping):
            stored = stored[wrapping]
    if not isinstance(stored, Mapping) or not stored:
        raise UserError(f"{path} holds no weights: expected a dictionary of tensors, found {type(stored).__name__}")
    for prefix in ("network.", "module."):
        named = {key.removeprefix(prefix): value for key, value in stored.items() if str(key).startswith(prefix)}
        stored = named or stored
    others = [str(key) for key, value in stored.items() if not isinstance(value, Tensor)]
    if others:
        raise UserError(f"{path} holds no weights: {listed(others)} are no tensors")
    return {str(key): value for key, value in stored.items()}


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
