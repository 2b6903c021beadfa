"""The loggers of a run, built in one place: a training, and whatever is logged of it later, goes to the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytorch_lightning.loggers import Logger

from src.config.build import build, told_with_target
from src.config.signatures import signature
from src.config.watching import LONGEST_NAME, WANDB
from src.runs.directory import RunDirectory
from src.sweeps.job import read_job


def build_loggers(config: Mapping[str, Any], run: RunDirectory, wandb_id: str) -> list[Logger]:
    """Return the configured loggers, each told where the run lives and what it is called."""
    return [build_logger(section, config, run, wandb_id) for section in _sections(config)]


def wandb_logger(config: Mapping[str, Any], run: RunDirectory, wandb_id: str) -> Logger | None:
    """Return the W&B logger of a run under its own id, None where it has none."""
    section = next((one for one in _sections(config) if one["_target_"] == WANDB), None)
    return None if section is None else build_logger(section, config, run, wandb_id)


def build_logger(section: Mapping[str, Any], config: Mapping[str, Any], run: RunDirectory, wandb_id: str) -> Logger:
    """Return one logger. What the run is called is given to those that cannot do without (`Section.filled`)."""
    sweep = read_job(run.path).get("sweep")
    known = {
        "id": wandb_id,
        "name": config["name"] or run.path.name[:LONGEST_NAME],
        "tags": list(config["tags"]),
        "group": None if sweep is None else str(sweep)[-LONGEST_NAME:],
    }
    wanted = signature(section["_target_"]).parameters
    needed = {key: value for key, value in known.items() if key in wanted and wanted[key].required}
    logger: Logger = build(section, save_dir=str(run.path), **needed)
    if section["_target_"] != WANDB:  # Lightning's open their files late, and only then say what is wrong
        with told_with_target(section["_target_"]):
            _ = logger.experiment  # type: ignore[attr-defined] # every one of them has it
    return logger


def _sections(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [section for section in (config.get("logger") or {}).values() if section]
