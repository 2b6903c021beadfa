"""What each stage of the pipeline depends on, written by the first one, and held against the present before it is used.

A stage has one file of JSON: the composed configuration as far as the stage sees it, and a digest of every module of
ours that it runs. DVC compares these files, so a stage runs when what it uses has changed, and only then.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from src.config import saved
from src.config.code import code_digests, forget, module_of
from src.config.composed import Composed
from src.config.experiments import NOT_HERE, Experiment, read_experiments
from src.config.explained import IMAGES, read_explanations, settled
from src.errors import UserError
from src.files import write_json
from src.runs.stages.places import PARAMS, STAGES

BESIDE = (
    *("src.config", "src.errors", "src.report", "src.runs.record", "src.runs.wandb", "src.callbacks.progress"),
    *("src.sweeps", "src.callbacks.pruning", "src.runs.ranks", "src.data.preview"),
    "src.runs.stages.dependencies",
)
"""Code that no output depends on: the check of a configuration, whose result is compared itself; what is said and
shown to people; searches; how processes find each other; the report, which has a stage of its own; and this."""

STREAM = "src.data.stream"
"""Code that only `data.store=stream` runs."""

TRAINING = ("pipelines.train", "src.runs.session", "src.runs.training", "src.config.build")
EVALUATION = (
    *("pipelines.evaluate", "src.runs.session", "src.runs.evaluation", "src.config.build"),
    "src.config.saved",  # applies overrides to what was trained
)
EXPLANATION = (
    *("pipelines.explain", "src.explanations.command", "src.runs.session", "src.runs.evaluation", "src.config.build"),
    "src.config.saved",
)
PICTURES = ("src.explanations.page", "src.explanations.drawing")
"""What an explanation shows itself with: the frame of the report's pages, and colours, which count here."""
PREPARATION = ("pipelines.prepare", "src.data.module", "src.config.build")
SOURCES = ("pipelines.sources",)
REPORT = ("pipelines.overview", "src.config.settings", "src.config.groups")
"""Where the code of a stage begins; what a configuration names comes to it. The report lists what of a configuration
differs, and names it by a digest, with two modules of the check."""

SECTIONS = "src/report"
"""The report chooses modules of its package by name, so all of them count."""

LOADING = ("cache_dir", "batch_size", "num_workers")
"""Keys of `data` that do not say which samples there are."""

Content = dict[str, Any]


def write_dependencies() -> list[Experiment]:
    """Write the files of all stages, for the experiments of params.yaml; returns these.

    Raises ConfigurationError with the mistakes of all experiments.
    """
    experiments = read_experiments(PARAMS)
    explanations = read_explanations(PARAMS, experiments)
    _require_explainable(explanations, experiments)
    for path, content in _files(experiments, explanations):
        write_json(STAGES / path, content)
    return list(experiments.values())


def keep_only(folder: Path, names: Iterable[str]) -> None:
    """Remove from `folder` what experiments other than `names` left.

    DVC leaves the outputs of stages that are no longer in params.yaml where they are, and a stage that depends on the
    folder would count them. So that stage calls this, which DVC never skips where the folder holds more than it had.
    """
    wanted = set(names)
    for file in folder.glob("*.json"):
        if file.stem not in wanted:
            file.unlink()


def current(stage: str) -> dict[str, Experiment]:
    """Return the experiments, where they and the code are still what the first stage found.

    `stage` is the file of a stage below `STAGES`. Raises UserError where something was changed since: the outputs would
    not be what DVC takes them for. So a stage asks before its work, whose modules are imported then at the earliest,
    and once more before it leaves anything.
    """
    forget()
    experiments = read_experiments(PARAMS)
    path = STAGES / stage
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: it is written by `dvc repro configs`") from error
    now = next(
        (content for name, content in _files(experiments, read_explanations(PARAMS, experiments)) if name == stage),
        None,
    )
    if json.loads(json.dumps(now)) != known:
        what = ", ".join(_differences(known, now or {}))
        raise UserError(f"{path} is out of date ({what}): files were changed since; type dvc repro again")
    return experiments


def _files(
    experiments: Mapping[str, Experiment], explanations: Mapping[str, Sequence[Composed]]
) -> Iterator[tuple[str, Content]]:
    """Yield the file and content of each stage's dependencies."""
    for experiment in experiments.values():
        targets = targets_of(experiment, experiments)
        yield f"{experiment.name}/train.json", training(experiment, targets)
        yield f"{experiment.name}/evaluate.json", {"code": _code(EVALUATION, targets, experiment)}
        if experiment.name in explanations:
            yield f"{experiment.name}/explain.json", explaining(experiment, targets, explanations[experiment.name])
    yield "prepare.json", preparation(list(experiments.values()))
    sources = {name: experiment.source for name, experiment in experiments.items()}
    yield "sources.json", {"sources": sources, "code": code_digests(SOURCES, beside=BESIDE, packages=("pipelines",))}
    sections = [f"src.report.{path.stem}" for path in sorted(Path(SECTIONS).glob("[!_]*.py"))]
    shown = code_digests(
        [*REPORT, *sections], beside=("src.config", "src.runs.stages.dependencies"), packages=("pipelines",)
    )
    yield "report.json", {"experiments": list(experiments), "explained": list(explanations), "code": shown}


def training(experiment: Experiment, targets: Sequence[str]) -> Content:
    """Return what the training of an experiment depends on beside its data and its source."""
    return {
        "overrides": list(experiment.overrides),
        "choices": dict(experiment.composed.choices),
        "config": portable(saved.plain(experiment.composed.config)),
        "code": _code(TRAINING, targets, experiment),
    }


def explaining(experiment: Experiment, targets: Sequence[str], explanations: Sequence[Composed]) -> Content:
    """Return what the explanations of an experiment depend on beside what it has learned and its data."""
    asked = [settled(composed) for composed in explanations]
    images = {f"{key}={one[key]}": _bytes_of(key, one[key]) for one in asked for key in IMAGES if one[key] is not None}
    code = _code(EXPLANATION, [*targets, *_targets(asked)], experiment)
    shown = code_digests(PICTURES, beside=("src.config",), packages=("pipelines",))
    return {"explanations": asked, "images": images, "code": dict(sorted((code | shown).items()))}


def _bytes_of(key: str, source: str) -> dict[str, str]:
    """Return a digest of each image that `key=source` names, by path. Raises UserError where it names none."""
    from src.runs.prediction import image_files

    return {path.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in image_files(key, source)}


def _require_explainable(explanations: Mapping[str, Sequence[Composed]], experiments: Mapping[str, Experiment]) -> None:
    """Raise UserError where an explanation could only fail, before anything is trained."""
    if not explanations:
        return
    from src.explanations.foreseen import require_possible  # torch, with the methods: a second more

    for name, composed in explanations.items():
        training = configuration_of(experiments[name], experiments)
        for one in composed:
            try:
                require_possible(one, training)
            except UserError as error:
                raise UserError(f"{PARAMS} explanations.{name}: {error}") from error


def preparation(experiments: Sequence[Experiment]) -> Content:
    """Return what the data of all experiments depend on."""
    data: Content = {}
    code: dict[str, str] = {}
    for experiment in experiments:
        config = saved.plain(experiment.composed.config)
        section = {key: value for key, value in config["data"].items() if key not in LOADING}
        data[experiment.name] = section | {"model": config["model"]["_target_"]}
        sources = list(_targets(config["data"]))
        code |= _code(PREPARATION, sources, experiment, beside=("src.runs.session", "src.runs.training"))
    return {"data": data, "code": dict(sorted(code.items()))}


def portable(config: Mapping[str, Any]) -> Content:
    """Return a configuration without what says where on this machine something lies."""
    data = {key: value for key, value in config["data"].items() if key != "cache_dir"}
    return {key: value for key, value in config.items() if key not in NOT_HERE} | {"data": data}


def targets_of(experiment: Experiment, experiments: Mapping[str, Experiment]) -> list[str]:
    """Return every `_target_` of an experiment's configuration, with the network of its source."""
    return list(_targets(configuration_of(experiment, experiments)))


def configuration_of(experiment: Experiment, experiments: Mapping[str, Experiment]) -> Content:
    """Return an experiment's configuration, with the network of its source, which it takes over."""
    config: Content = saved.plain(experiment.composed.config)
    if experiment.source:
        config = config | {"network": saved.plain(experiments[experiment.source].composed.config)["network"]}
    return config


def _targets(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("_target_"), str):
            yield value["_target_"]
        for item in value.values():
            yield from _targets(item)
    elif isinstance(value, list):
        for item in value:
            yield from _targets(item)


def _code(
    entries: Iterable[str], targets: Iterable[str], experiment: Experiment, beside: tuple[str, ...] = ()
) -> dict[str, str]:
    config = experiment.composed.config
    streamed = config.data.store == "stream"
    modules = [*entries, *map(module_of, targets), *([f"{STREAM}.source"] if streamed else [])]
    left_out = (*BESIDE, *beside, *(() if streamed else (STREAM,)))
    return code_digests(modules, beside=left_out, packages=("pipelines", *config.allowed_packages))


def _differences(known: Any, now: Any, key: str = "") -> Iterator[str]:
    """Yield the dotted keys at which two nests of dictionaries differ."""
    if not (isinstance(known, Mapping) and isinstance(now, Mapping)):
        if known != now:
            yield key or "all of it"
        return
    for name in dict.fromkeys([*known, *now]):
        yield from _differences(known.get(name), now.get(name), f"{key}.{name}".lstrip("."))
