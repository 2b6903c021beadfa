"""From what a model answered to the sections that show it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from src.answers import Answers, answers_path, read_answers
from src.report.layout import Section

SPLITS = ("test", "val", "train")
"""The splits that answers are looked for on, in this order."""


def answer_sections(answers: Answers, split: str) -> list[Section]:
    """Return the sections of `src/report/KIND.py`. Raises ValueError where there is no such kind."""
    if not re.fullmatch("[a-z_]+", answers.kind):
        raise ValueError(f"{answers.kind} is no kind of answers")
    try:
        module = importlib.import_module(f"src.report.{answers.kind}")
        show = module.sections_from
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{answers.kind} is no kind of answers") from error
    sections: list[Section] = show(answers.values, answers.image, split)
    return sections


def kept_sections(run_dir: Path) -> list[Section]:
    """Return the sections of the answers that a run directory keeps.

    Raises FileNotFoundError where there are none, which an empty file says too, and ValueError, KeyError, IndexError
    or TypeError where the file is not one of ours.
    """
    for split in SPLITS:
        path = answers_path(run_dir, split)
        if path.exists() and path.stat().st_size:
            return answer_sections(read_answers(path), split)
    raise FileNotFoundError(answers_path(run_dir, SPLITS[0]))
