"""Measuring a finished run on a split, its own data or others with the same classes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from numpy.typing import NDArray

from src.callbacks.checkpoint import Interrupted
from src.data.eval_view import warn_of_lost_objects
from src.data.module import ImageData
from src.data.spec import DataSpec
from src.errors import UserError
from src.files import write_csv, write_json
from src.models.base import ImageModule
from src.models.pair_tables import names_of
from src.runs.directory import RunDirectory
from src.runs.measured_weights import Origin, note_unfinished, state_digest
from src.runs.trained_on import trained_on
from src.runs.training import build_model, build_trainer, load_weights, measure, open_data, without_pretrained

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """The figures of a split, the file that they were written to, and what they were computed from."""

    figures: dict[str, float]
    path: Path
    model: ImageModule
    data: ImageData
    split: str

    def write_predictions(self, path: Path) -> None:
        """Write a row per sample: where it came from, its truth, and what the model said of it; of pairs, one each."""
        write_csv(path, self.model.evaluation_table(self.data, self._kept()))

    def write_embeddings(self, path: Path) -> None:
        """Write a row per sample of a verification: where it came from, who it shows, and its embedding."""
        kept = self._kept()
        names = names_of(self.data, kept["identity"].tolist())
        rows = zip(kept["index"].tolist(), names, kept["embedding"].tolist(), strict=True)
        write_csv(
            path,
            [
                {"path": self.data.name_of(index), "identity": name} | {f"e{i}": x for i, x in enumerate(embedding)}
                for index, name, embedding in rows
            ],
        )

    def _kept(self) -> dict[str, NDArray[Any]]:
        outputs = self.model.outputs
        return {key: torch.cat([batch[key] for batch in outputs]).numpy() for key in outputs[0]}


def evaluate(
    config: dict[str, Any],
    run: RunDirectory,
    *,
    split: str,
    checkpoint: str,
    output: str | None,
) -> Evaluation:
    """Measure the weights of a checkpoint on a split, and write the figures.

    `split` is train, val, test, `all` (every sample there is), or `auto`: test, but all of other data than the run's
    that publish no splits. The file for other data has their digest in its name, so that the run's own figures stay.
    Nothing else in the run directory is touched. Raises UserError where the data have other classes than the run.
    """
    data = open_data(without_pretrained(config))
    split = _open(data, config, run, split)
    assert data.spec is not None
    spec = data.spec
    model = restore_model(config, run, spec, checkpoint)
    data.wanted_targets = model.requires
    warn_of_lost_objects(data)
    whole = config | {"trainer": config["trainer"] | {"limit_test_batches": 1.0, "fast_dev_run": False}}
    trainer = build_trainer(whole, run, [], [])
    try:
        figures = measure(trainer, model, data, split)
    except Interrupted as error:  # nothing to save here: the command ends as any other does
        raise KeyboardInterrupt from error
    trained = DataSpec.load(run.data)
    own = spec.contents == trained.contents if split == "all" else spec.digest == trained.digest
    seen = None if own and split != "all" else trained_on(run, data, split)
    for remark in seen.remarks if seen else ():
        log.info("%s", remark)
    other = "" if own else f"-{spec.digest[:8]}"
    path = Path(output) if output else run.path / f"evaluation-{split}{other}.json"
    if trainer.is_global_zero:
        write_json(
            path,
            {"split": split, "checkpoint": checkpoint, "weights": state_digest(model)}
            | Origin.of(run, checkpoint).as_json()
            | {"samples": len(data.splits[split]), "data_digest": spec.digest}
            | (seen.figures() if seen else {})
            | figures,
        )
    return Evaluation(figures, path, model, data, split)


def _open(data: ImageData, config: dict[str, Any], run: RunDirectory, split: str) -> str:
    """Open the data as they are to be measured, and return the split. Raises UserError where it has no samples."""
    trained = DataSpec.load(run.data)
    if split == "auto":
        saved = yaml.safe_load(run.config.read_text(encoding="utf-8"))["data"]
        moved = any(config["data"][key] != saved[key] for key in ("_target_", "root", "source", "stream"))
        data.open(trained, for_training=False, divided=None if moved else True)
        if "all" in data.splits and data.spec is not None and data.spec.contents == trained.contents:
            log.info("the run's own data, elsewhere: split=test")
            data.open(trained, for_training=False)
        split = "all" if "all" in data.splits else "test"
        if split == "all":
            log.info("split=auto: all %d samples, as these data publish no splits", len(data.splits["all"]))
    else:
        data.open(trained, for_training=False, divided=split != "all")
    if not len(data.splits[split]):
        sizes = ", ".join(f"{name} ({len(indices)})" for name, indices in data.splits.items())
        raise UserError(f"split={split} is empty here; the splits are {sizes}")
    return split


def restore(config: dict[str, Any], run: RunDirectory, checkpoint: str) -> tuple[ImageModule, ImageData, DataSpec]:
    """Return the trained model of a run and its opened data."""
    data = open_data(without_pretrained(config))
    spec = data.open(DataSpec.load(run.data), for_training=False)
    model = restore_model(config, run, spec, checkpoint)
    data.wanted_targets = model.requires
    warn_of_lost_objects(data)
    return model, data, spec


def restore_model(config: dict[str, Any], run: RunDirectory, spec: DataSpec, checkpoint: str) -> ImageModule:
    """Return the trained model of a run. Raises UserError where there is no such checkpoint, or it does not fit."""
    model = build_model(without_pretrained(config), spec)
    load_weights(model, run, None if checkpoint == "best" else checkpoint)
    note_unfinished(run, Origin.of(run, checkpoint))
    return model.eval()
