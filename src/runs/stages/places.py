"""What the stages of dvc.yaml hand to each other: files that are functions of configuration, data and code alone.

The same names stand in dvc.yaml. Everything below `build` can be made again at any time.
"""

from __future__ import annotations

from pathlib import Path

from src.config.experiments import OUTPUTS as OUTPUTS_NAME

PARAMS = Path("params.yaml")
OUTPUTS = Path(OUTPUTS_NAME)
"""NAME/: a run directory without what differs from run to run: times, machine, places, checkpoints."""

STAGES = Path("build/stages")
"""What a stage depends on: NAME/train.json, NAME/evaluate.json, and of the stages for all, prepare.json and so on."""

DATA = Path("build/data")
"""NAME.json: the digest of an experiment's data and their division, and how many samples each split has."""

LEARNED = Path("build/learned")
"""NAME.json: the digests of what a training left in `OUTPUTS`; those of successors are in `CONTINUED`."""

CONTINUED = Path("build/continued")
"""A folder of its own: `LEARNED` is what successors wait for."""

SOURCES = Path("build/sources")
"""NAME.json: those of the experiment that this one starts from."""

EVALUATED = Path("build/evaluated")
"""NAME.json: the digests of all that an experiment left in `OUTPUTS`."""

SCRATCH = Path("build/runs")
"""NAME/: the run itself, with its record, log, checkpoints and W&B files: no output of a stage."""
