"""The stage that measures one trained experiment on the test split, from its outputs alone."""

from __future__ import annotations

import json

from src.errors import UserError
from src.runs.stages.dependencies import current
from src.runs.stages.places import DATA, EVALUATED, OUTPUTS
from src.runs.stages.publish import TRAINED, write_digests

MEASURED = ("predictions.csv", "evaluation-test.json", "answers-test.npz")
"""What evaluation leaves: a row for each sample, the figures, and what the report shows of the samples."""


ONE_PROCESS = ("trainer.devices=1", "trainer.num_nodes=1", "trainer.strategy=auto")
"""However many trained: a test split takes little time, and its files are written once."""


def evaluate(name: str) -> None:
    """Write figures and predictions of experiment `name` beside what it learned.

    Raises UserError where the data are not those that were prepared.
    """
    experiment = current(f"{name}/evaluate.json")[name]
    from src.answers import write_answers
    from src.runs import evaluation
    from src.runs.session import print_figures, reopen

    folder = OUTPUTS / name
    run, config = reopen(str(folder), (*ONE_PROCESS, *experiment.trust))
    predictions, measured, answers = (folder / file for file in MEASURED)
    found = evaluation.evaluate(config, run, split="test", checkpoint="best", output=str(measured))
    prepared, used = (json.loads(file.read_text()) for file in (DATA / f"{name}.json", measured))
    current(f"{name}/evaluate.json")
    if used["data_digest"] != prepared["digest"]:
        raise UserError(f"{name}: the data have changed since they were prepared; type dvc repro --force prepare")
    found.write_predictions(predictions)
    if (shown := found.model.answers(found.data, "test")) is not None:
        write_answers(answers, shown)
    answers.touch()  # DVC misses an output that is not there, as where there are none, or too many to keep
    write_digests([*(folder / file for file in TRAINED), predictions, measured, answers], EVALUATED / f"{name}.json")
    print_figures(found.figures)
