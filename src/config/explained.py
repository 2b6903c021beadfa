"""The explanations of params.yaml: by experiment, what `python -m src.explain` is to leave beside its outputs."""

from __future__ import annotations

import glob
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from src.config.assess import assess
from src.config.composed import Composed
from src.config.experiments import EXPLANATIONS, OUTPUTS, PIPELINE, Experiment, is_watched, sections_of
from src.config.groups import Groups
from src.config.problems import COMMAND_LINE, ConfigurationError, Problem, did_you_mean, listing

SET = ("run", "output")
"""Keys that the pipeline sets."""
IMAGES = ("input", "anchor")
"""Keys that name files of images, on whose bytes an explanation depends."""
LEAVES_NOTHING = "layers"
"""The method that only prints."""


def read_explanations(path: Path, experiments: Mapping[str, Experiment]) -> dict[str, tuple[Composed, ...]]:
    """Compose the explanations of all experiments, by the experiment's name, in the order in which they stand.

    Raises ConfigurationError with everything that is wrong, in whichever of them.
    """
    found: dict[str, tuple[Composed, ...]] = {}
    problems: list[Problem] = []
    for name, value in sections_of(path)[EXPLANATIONS].items():
        where = f"{path} {EXPLANATIONS}.{name}"
        texts = [value] if isinstance(value, str) else value
        if name not in experiments:
            near = did_you_mean(str(name), experiments) or f"name one of {listing(experiments)}"
            problems.append(Problem(where, "", "there is no experiment of that name", near))
        elif not (isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)):
            problems.append(Problem(where, "", "must be one text of overrides, or a list of such, a method in each"))
        else:
            try:
                found[str(name)] = _composed(where, experiments[name], texts)
            except ConfigurationError as error:
                problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    return found


def settled(composed: Composed) -> dict[str, Any]:
    """Return what an explanation depends on of its configuration: all but the network, which its run has."""
    from src.config import saved

    left_out = (*SET, "model", "network", "num_workers", "hydra")
    return {key: value for key, value in saved.plain(composed.config).items() if key not in left_out}


def _composed(where: str, experiment: Experiment, texts: Sequence[str]) -> tuple[Composed, ...]:
    """Compose the explanations of one experiment. Raises ConfigurationError with what is wrong with them."""
    composed: list[Composed] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            words = shlex.split(text)
        except ValueError as error:
            problems.append(Problem(where, text, str(error)))
            continue
        found = assess("explain", [*words, f"run={OUTPUTS}/{experiment.name}", *experiment.trust], Groups())
        problems += [replace(one, where=where) if one.where == COMMAND_LINE else one for one in found.problems]
        if found.composed is not None:
            problems += _not_here(where, found.composed, words, experiment, composed)
            composed.append(found.composed)
    if problems:
        raise ConfigurationError(problems)
    return tuple(composed)


def _not_here(
    where: str, composed: Composed, words: Sequence[str], experiment: Experiment, before: Sequence[Composed]
) -> Iterator[Problem]:
    """Yield what is right on a command line and wrong in a pipeline."""
    for word in words:
        key = word.partition("=")[0]
        if key in SET:
            yield Problem(where, key, "is set by the pipeline", "leave it out")
    for override in composed.for_the_run:
        if override not in experiment.trust:
            yield Problem(where, override, "is of the run: the pipeline explains what it has trained, as it is")
    for key in IMAGES:
        value = composed.config[key]
        if value is not None and not is_watched(folder := _before_wildcards(value)):
            what = f"{value} is below no dependency of the stage configs, so other images there would change nothing"
            yield Problem(where, key, what, f"add {folder.as_posix()} to its deps in {PIPELINE}")
    method = composed.choices["method"]
    if method == LEAVES_NOTHING:
        yield Problem(where, f"method={method}", "prints and leaves no file", "name another method")
    elif method in [other.choices["method"] for other in before]:
        yield Problem(where, f"method={method}", "twice: the second would replace the first")


def _before_wildcards(source: str) -> Path:
    """Return the file or folder that is named, or that a glob looks into."""
    plain = takewhile(lambda part: not glob.has_magic(part), Path(source).parts)
    return Path(*plain)
