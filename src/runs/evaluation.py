"""Measuring a finished run on a split, its own data or others with the same classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from src.callbacks.checkpoint import Interrupted
from src.data.module import ImageData
from src.data.spec import DataSpec
from src.errors import UserError
from src.files import write_csv, write_json
from src.models.base import ImageModule
from src.models.pair_tables import names_of
from src.runs.directory import RunDirectory
from src.runs.training import build_model, build_trainer, load_weights, measure, open_data, without_pretrained


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

    That of other data than the run's has their digest in its name, so that the run's own figures stay. Nothing else in
    the run directory is touched. Raises UserError where the data have other classes than the run.
    """
    model, data, spec = restore(config, run, checkpoint)
    if not len(data.splits[split]):
        sizes = ", ".join(f"{name} ({len(indices)})" for name, indices in data.splits.items())
        raise UserError(f"split={split} is empty here; the splits are {sizes}")
    whole = config | {"trainer": config["trainer"] | {"limit_test_batches": 1.0, "fast_dev_run": False}}
    trainer = build_trainer(whole, run, [], [])
    try:
        figures = measure(trainer, model, data, split)
    except Interrupted as error:  # nothing to save here: the command ends as any other does
        raise KeyboardInterrupt from error
    other = "" if spec.digest == DataSpec.load(run.data).digest else f"-{spec.digest[:8]}"
    path = Path(output) if output else run.path / f"evaluation-{split}{other}.json"
    if trainer.is_global_zero:
        write_json(
            path,
            {"split": split, "checkpoint": checkpoint, "samples": len(data.splits[split]), "data_digest": spec.digest}
            | figures,
        )
    return Evaluation(figures, path, model, data, split)


def restore(config: dict[str, Any], run: RunDirectory, checkpoint: str) -> tuple[ImageModule, ImageData, DataSpec]:
    """Return the trained model of a run and its opened data."""
    data = open_data(without_pretrained(config))
    spec = data.open(DataSpec.load(run.data), for_training=False)
    model = restore_model(config, run, spec, checkpoint)
    data.wanted_targets = model.requires
    return model, data, spec


def restore_model(config: dict[str, Any], run: RunDirectory, spec: DataSpec, checkpoint: str) -> ImageModule:
    """Return the trained model of a run. Raises UserError where there is no such checkpoint, or it does not fit."""
    model = build_model(without_pretrained(config), spec)
    load_weights(model, run, None if checkpoint == "best" else checkpoint)
    return model.eval()
