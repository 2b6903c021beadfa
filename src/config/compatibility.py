"""Whether the parts of a configuration fit together: model and data, what was typed and what an experiment says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from src.config import figures, idle, length, lightning, optimizing, transforms, watching
from src.config.composed import Composed
from src.config.groups import Content, leaves, readable
from src.config.problems import COMMAND_LINE, Problem, listing
from src.config.signatures import NoSuchTarget, class_literal
from src.data.transform_rules import PLACED

Values = Mapping[str, Any]
"""A configuration as far as it could be resolved."""


def problems(composed: Composed, values: Values) -> list[Problem]:
    """Return what of a configuration does not fit together; `values` are its own, resolved."""
    fresh = bool(composed.layers)  # a saved run was checked against its experiment when it began
    return [
        *_model_and_data(composed, values),
        *_model_and_source(composed, values),
        *_mixed_batches(composed, values),
        *(transforms.problems(composed, values) if fresh else ()),
        *_store_and_stream(composed, values),
        *_normalization_and_processes(composed, values),
        *(figures.problems(composed, values) if fresh else ()),
        *(length.problems(composed, values) if fresh else ()),
        *optimizing.problems(composed, values),
        *idle.problems(composed, values),
        *lightning.problems(composed, values),
        *watching.problems(composed, values),
        *(_typed_and_experiment(composed) if fresh else ()),
    ]


def notes(composed: Composed) -> list[str]:
    """Return what an experiment's file adds to sections whose choice was typed, for the user to see."""
    found = []
    for experiment, content in _experiments(composed):
        for group in _typed_groups(composed) - {"model"}:
            values = leaves({group: content.values.get(group, {})})
            kept = [f"{key}={value}" for key, value in values.items() if key != group and not _is_typed(composed, key)]
            if kept and content.choices.get(group) != composed.choices.get(group):
                found.append(
                    f"experiment={experiment} sets, also for {group}={composed.choices[group]}: {listing(kept)}"
                )
    return found


def _model_and_data(composed: Composed, values: Values) -> Iterator[Problem]:
    model, data = (values.get(name) for name in ("model", "data"))
    source = data.get("source") if data else None
    if not model or not source or composed.unsure & {"model", "data"}:
        return
    required, provided = _literal(model, "requires"), _literal(source, "targets")
    if not required or provided is None or set(required) <= set(provided):
        return
    lacking = [target for target in required if target not in provided]
    names = [f"{group}={composed.choices.get(group) or '?'}" for group in ("model", "data")]
    what = f"{names[0]} needs {listing(required)}; {names[1]} provides {listing(provided) or 'none of it'}"
    suggestion = f"data with {listing(lacking)}: {listing(_data_with(required, composed)) or 'none yet'}"
    typed = {override.key for override in composed.typed} & {"model", "data"}
    where = COMMAND_LINE if typed else composed.origins.of("data.source._target_")[0]
    yield Problem(where, " ".join(names), what, suggestion)


def _model_and_source(composed: Composed, values: Values) -> Iterator[Problem]:
    """Yield where a model that starts from something learned is not told from what."""
    model = values.get("model")
    if not model or "model" in composed.unsure or model.get("source") is not None:
        return
    if _literal(model, "needs_source"):
        name = composed.choices.get("model") or "?"
        what = f"is missing: model={name} starts from what has been learned"
        suggestion = "type model.source=RUN_DIR, or a file of weights, or the name of published ones"
        yield Problem(composed.origins.of("model.source")[0], "model.source", what, suggestion)


def _mixed_batches(composed: Composed, values: Values) -> Iterator[Problem]:
    """Yield where batches would be mixed up for a model whose targets have no mixture."""
    model, augment = (values.get(name) or {} for name in ("model", "augment"))
    if composed.unsure & {"model", "augment"}:
        return
    if _literal(model, "mixes") is not False and not set(_literal(model, "requires") or ()) & set(PLACED):
        return
    for key in ("mixup", "cutmix"):
        if augment.get(key):
            where, _ = composed.origins.of(f"augment.{key}")
            what = f"model={composed.choices.get('model') or '?'} cannot learn from images that are mixed up"
            yield Problem(where, f"augment.{key}={augment[key]}", what, f"type augment.{key}=0")


def _store_and_stream(composed: Composed, values: Values) -> Iterator[Problem]:
    """Yield where a stream is wanted and none is named, or one is named and would not be read."""
    data = values.get("data") or {}
    if "data" in composed.unsure:
        return
    streams, stream = data.get("store") == "stream", data.get("stream")
    if streams and stream is None:
        where, what = composed.origins.of("data.store")[0], "needs a place to read from or to write to"
        yield Problem(where, "data.store=stream", what, "type data.stream=FOLDER or data.stream=s3://BUCKET/PREFIX")
    if stream is not None and not streams and _is_typed(composed, "data.stream"):
        what = f"is not read with data.store={data.get('store')}"
        yield Problem(COMMAND_LINE, f"data.stream={stream}", what, "type data.store=stream too")


def _normalization_and_processes(composed: Composed, values: Values) -> Iterator[Problem]:
    """Yield where processes are to share the statistics of a normalisation that measures each one's batches alone.

    Lightning converts batch normalisation; what else normalises over the mini-batch stays as it is.
    """
    network, trainer = (values.get(name) or {} for name in ("network", "trainer"))
    if composed.unsure & {"network", "trainer"} or not trainer.get("sync_batchnorm"):
        return
    if network.get("normalization") == "group_chapter":
        where, what = composed.origins.of("trainer.sync_batchnorm")[0], "does not reach network.normalization="
        suggestion = "leave it out, or type network.normalization=batch"
        yield Problem(where, "trainer.sync_batchnorm=true", f"{what}group_chapter", suggestion)


def _literal(section: Any, name: str) -> Any:
    """Return what the class that a section names assigns to `name`; None where there is none."""
    target = section.get("_target_")
    try:
        return class_literal(target, name) if isinstance(target, str) else None
    except NoSuchTarget:
        return None


def _data_with(required: tuple[str, ...], composed: Composed) -> Iterator[str]:
    """Yield the data sets that provide what a model requires."""
    for choice in composed.groups.choices("data"):
        source = composed.groups.content("data", choice).values.get("source")
        provided = _literal(source, "targets") if isinstance(source, dict) else None
        if provided is not None and set(required) <= set(provided):
            yield choice


def _typed_and_experiment(composed: Composed) -> Iterator[Problem]:
    """Yield what an experiment's file would silently keep of its own in a section whose choice was typed."""
    for experiment, content in _experiments(composed):
        path = composed.groups.file(f"experiment/{experiment}")
        where = readable(path) if path else COMMAND_LINE
        for group in _typed_groups(composed):
            if f"{group}._target_" in leaves(content.values):
                what = f"experiment={experiment} sets it, although {group}={composed.choices[group]} was typed"
                yield Problem(where, f"{group}._target_", what, "leave out one of the two")
        if "model" in _typed_groups(composed) and not _is_typed(composed, "network"):
            yield from _kept_network(composed, experiment, content, where)


def _kept_network(composed: Composed, experiment: str, content: Content, where: str) -> Iterator[Problem]:
    """Yield where an experiment's network differs from that of the model that was typed."""
    model = composed.choices["model"]
    own = composed.groups.content("model", str(model)).choices.get("network")
    chosen = content.choices.get("network")
    if chosen is not None and own is not None and chosen != own:
        what = f"experiment={experiment} also chooses network={chosen}, and model={model} comes with network={own}"
        yield Problem(where, f"model={model}", what, "type network=... to say which")
    values = leaves(composed.groups.content("network", str(own)).values) if own else {}
    for key, value in leaves(content.values.get("network") or {}).items():
        dotted = f"network.{key}"
        if values.get(key, ...) != value and not _is_typed(composed, dotted):
            what = (
                f"experiment={experiment} sets {dotted}={value} for a network of its own, and model={model} was typed"
            )
            yield Problem(where, dotted, what, f"type {dotted}=... to say which")


def _experiments(composed: Composed) -> Iterator[tuple[str, Content]]:
    """Yield the experiments that were chosen, with what their files say."""
    chosen = composed.choices.get("experiment")
    for name in [chosen] if isinstance(chosen, str) else list(chosen or ()):
        yield str(name), composed.groups.content("experiment", str(name))


def _typed_groups(composed: Composed) -> set[str]:
    groups = {override.key for override in composed.typed if override.is_choice(composed.groups)}
    return {group for group in groups - {"experiment", "debug"} if composed.choices.get(group) is not None}


def _is_typed(composed: Composed, key: str) -> bool:
    return any(override.key == key for override in composed.typed)
