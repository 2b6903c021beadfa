"""From a run directory to the outputs of a stage: the part of it that is the same bits on every rerun."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from src.config.experiments import NOT_HERE, Experiment
from src.files import atomic, write_json, write_text
from src.runs.directory import RunDirectory

COPIED = ("weights.safetensors", "data.json", "metrics.csv", "metrics.json")
"""What is a function of configuration, data and code as it is."""
TRAINED = (*COPIED, "config.yaml", "compose.yaml", "modules.json")
"""All that a training leaves."""


def publish(run: RunDirectory, experiment: Experiment, code: Mapping[str, str], folder: Path) -> list[Path]:
    """Write the outputs of a finished training into `folder`, which can be evaluated and predicted with as a run can.

    Returns the files. Configurations lose the places of this machine; of the `code` there are the digests by module.
    """
    for name in COPIED:
        with atomic(folder / name) as file:
            file.write((run.path / name).read_bytes())
    config: Any = OmegaConf.to_container(OmegaConf.load(run.config))
    del config["data"]["cache_dir"]
    _write_yaml(folder / "config.yaml", _without_places(config))
    compose: Any = OmegaConf.to_container(OmegaConf.load(run.compose), resolve=False)
    compose["overrides"] = list(experiment.overrides)
    compose["config"] = _without_places(compose["config"])
    _write_yaml(folder / "compose.yaml", compose)
    digest = hashlib.blake2b(json.dumps(code).encode(), digest_size=8).hexdigest()
    write_json(folder / "modules.json", {"digest": digest, "modules": code})
    return [folder / name for name in TRAINED]


def write_digests(files: Iterable[Path], path: Path) -> None:
    """Write a digest of each file by name: what a stage depends on that cannot name the files."""
    write_json(
        path, {file.name: hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest() for file in sorted(files)}
    )


def _without_places(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with the pipeline's own keys at rest, and the source as it was typed."""
    rest: dict[str, Any] = {key: False if key == "only_batch" else None for key in NOT_HERE if key != "runs_dir"}
    for section, key in (("model", "source"), ("network", "weights")):
        value = config[section].get(key)
        if isinstance(value, str) and Path(value).is_absolute():
            config[section][key] = Path(os.path.relpath(value)).as_posix()
    return config | rest


def _write_yaml(path: Path, values: dict[str, Any]) -> None:
    write_text(path, OmegaConf.to_yaml(OmegaConf.create(values)))
