"""The stage that explains one experiment, from its outputs alone."""

from __future__ import annotations

import json

from src.config.explained import read_explanations
from src.errors import UserError
from src.runs.stages.dependencies import current
from src.runs.stages.places import DATA, PARAMS


def explain(name: str) -> None:
    """Write the explanations of experiment `name`, as params.yaml lists them, and their page beside what it learned.

    Raises UserError where the data are not those that were prepared.
    """
    experiments = current(f"{name}/explain.json")
    wanted = read_explanations(PARAMS, experiments)[name]
    from src.explanations import command
    from src.explanations.output import NUMBERS

    prepared = json.loads((DATA / f"{name}.json").read_text())["digest"]
    for composed in wanted:
        _, folder = command.explain(composed)
        assert folder is not None  # one that leaves nothing has been refused
        used = json.loads((folder / NUMBERS).read_text())["data_digest"]
        if used not in (None, prepared):
            raise UserError(f"{name}: the data have changed since they were prepared; type dvc repro --force prepare")
        print(folder)
    current(f"{name}/explain.json")
