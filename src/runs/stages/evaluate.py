"""The stage that measures one trained experiment on the test split, from its outputs alone."""

from __future__ import annotations

import json

from src.errors import UserError
from src.runs.stages.dependencies import current
from src.runs.stages.places import DATA, EVALUATED, OUTPUTS
from src.runs.stages.publish import TRAINED, write_digests


def evaluate(name: str) -> None:
    """Write figures and predictions of experiment `name` beside what it learned.

    Raises UserError where the data are not those that were prepared.
    """
    current(f"{name}/evaluate.json")
    from src.runs import evaluation
    from src.runs.session import print_figures, reopen

    folder = OUTPUTS / name
    run, config = reopen(str(folder), ())
    predictions, measured = folder / "predictions.csv", folder / "evaluation-test.json"
    figures, _ = evaluation.evaluate(
        config, run, split="test", checkpoint="best", output=str(measured), predictions=str(predictions)
    )
    prepared, found = (json.loads(file.read_text()) for file in (DATA / f"{name}.json", measured))
    if found["data_digest"] != prepared["digest"]:
        raise UserError(f"{name}: the data have changed since they were prepared; type dvc repro --force prepare")
    trained = [folder / file for file in TRAINED]
    write_digests([*trained, predictions, measured], EVALUATED / f"{name}.json")
    print_figures(figures)
