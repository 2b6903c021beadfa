"""The stage that makes the data of all experiments ready: fetched or drawn, read once, and named by a digest."""

from __future__ import annotations

import json
from typing import Any

from src.config import saved
from src.files import write_json
from src.runs.stages.places import DATA


def prepare(configs: dict[str, dict[str, Any]], wanted: dict[str, Any]) -> None:
    """Open the data of each configuration, by name; those that mean the same data (`wanted`) only once.

    Writes the digest and the number of samples of each split. Raises UserError as reading the data does.
    """
    from src.runs.training import open_data

    known: dict[str, Any] = {}
    for name, config in configs.items():
        key = json.dumps(wanted[name])
        if key not in known:
            data = open_data(config)
            digest = data.open().digest
            samples = {split: len(indices) for split, indices in data.splits.items()}
            known[key] = {"digest": digest, "samples": samples, "left_out": len(data.left_out_lines())}
        write_json(DATA / f"{name}.json", known[key])


def prepare_all() -> None:
    """Prepare the data of the experiments of params.yaml."""
    from src.runs.session import prepare_process
    from src.runs.stages.dependencies import current, preparation

    experiments = current("prepare.json")
    configs = {name: saved.plain(experiment.composed.config) for name, experiment in experiments.items()}
    threads = [config["threads"] for config in configs.values() if config["threads"] != "auto"]
    prepare_process(max(threads, default=1))
    prepare(configs, preparation(list(experiments.values()))["data"])
    current("prepare.json")
