"""The same run again, elsewhere: whether it comes out identical, and if not, what differs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from src.config import saved
from src.config.composed import Composed
from src.config.effects import REPLAY
from src.config.overrides import read
from src.errors import UserError
from src.files import write_json
from src.runs import session
from src.runs.directory import RunDirectory, open_run

_OWN_PLACE = ("run_dir", "sweep_dir", "resume", "replay")
_NAMED = 6
"""Of files, tensors or figures that differ, named in what is printed; replay.json has them all."""


def replay(composed: Composed) -> None:
    """Run a finished run again with its saved configuration in a new directory, compare, and write `replay.json` there.

    Ends the process with exit code 1 where weights or metrics are not identical. Raises UserError where the run has
    not finished, and where an override would change its result.
    """
    path = str(composed.config.replay)
    if composed.config.resume is not None:
        raise UserError("resume= continues a run and replay= runs it again: leave one of them out")
    then = open_run(path)
    again = _again(then, path, composed)
    _warn(then, again)
    now = session.start(again, latest=False)
    if now is None:  # a further rank
        return
    finding = compare(then, now)
    write_json(now.path / "replay.json", {"replay": str(then.path)} | finding)
    print("\n".join(told(finding, path)))
    print(session.shown(now.path / "replay.json"))
    if not finding["identical"]:
        sys.stdout.flush()
        sys.exit(1)


def _again(then: RunDirectory, path: str, composed: Composed) -> Composed:
    """Return the saved configuration of a run, to be started in another place."""
    refused = [override for override in composed.for_the_run if not session.may_change(override, REPLAY)]
    if refused:
        raise UserError(
            f"replay={path} runs the same again; {', '.join(refused)} would change its result. What may differ: "
            f"{', '.join(REPLAY.acts)}. Leave out replay= to start another run."
        )
    if not (then.weights.exists() and then.metrics.exists()):
        raise UserError(f"replay={path}: this run has not finished, so there is nothing to compare with")
    try:
        json.loads(then.metrics.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"replay={path}: {then.metrics.name} cannot be read: {error}") from error
    known = saved.load(then.compose)
    kept = tuple(text for text in known.overrides if text.partition("=")[0] not in _OWN_PLACE)
    elsewhere = [] if any(map(_names_a_place, composed.for_the_run)) else ["run_dir=null"]
    again = saved.apply(replace(known, overrides=kept), [*elsewhere, *composed.for_the_run])
    return replace(again, overrides=tuple(text for text in again.overrides if text != "run_dir=null"))


def _warn(then: RunDirectory, composed: Composed) -> None:
    """Say before the training what of the code and the packages is another: its end may be hours away."""
    if not session.is_main_process():
        return
    from src.runs.code import code_record
    from src.runs.conditions import differing_code, differing_records, recorded_code
    from src.runs.record import read_record, versions

    known = {
        "code": differing_code(recorded_code(then), code_record(packages=composed.config.allowed_packages)),
        "versions": differing_records(read_record(then.path).get("versions"), versions()),
    }
    for kind, difference in known.items():
        if difference:
            print(f"note: {kind}: {_difference(difference)}", file=sys.stderr)


def _names_a_place(override: str) -> bool:
    return getattr(read(override), "key", "") == "run_dir"


def compare(then: RunDirectory, now: RunDirectory) -> dict[str, Any]:
    """Return whether two finished runs are identical, in what they are not, and what differs in their conditions."""
    from src.runs.conditions import differing_conditions
    from src.runs.outcomes import compare_figures, compare_history, compare_weights

    outcomes = {
        "weights": compare_weights(then, now),
        "metrics.json": compare_figures(then, now),
        "metrics.csv": compare_history(then, now),
    }
    identical = all(outcome["identical"] for outcome in outcomes.values())
    return {"identical": identical, **outcomes, "differs": differing_conditions(then, now)}


def told(finding: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield the lines that say what was found."""
    weights, figures, history = (finding[name] for name in ("weights", "metrics.json", "metrics.csv"))
    if finding["identical"]:
        counts = f"{weights['tensors']} tensors, {figures['figures']} figures, {history['rows'][0]} rows"
        yield f"identical to {path}: {counts}"
    else:
        yield f"not identical to {path}:"
        yield f"  weights        {_weights(weights)}"
        yield f"  metrics.json   {_figures(figures)}"
        yield f"  metrics.csv    {_history(history)}"
    differs = finding["differs"]
    if differs:
        yield "what differs, without effect on the result:" if finding["identical"] else "what differs:"
        for kind, difference in differs.items():
            yield f"  {kind:14} {_difference(difference)}"
    elif not finding["identical"]:
        yield "nothing that is recorded differs: code, versions, hardware, data, configuration, weights started from"


def _weights(found: Mapping[str, Any]) -> str:
    if found["identical"]:
        return "identical"
    others = [f"{kind} {_listed(found[kind])}" for kind in ("removed", "added") if found[kind]]
    largest = found["largest_difference"]
    by = "" if largest is None else f" by up to {largest:.3g}"
    count = f"{len(found['different'])} of {found['tensors']} tensors differ{by}: {_listed(found['different'])}"
    return "; ".join([count, *others] if found["different"] else others)


def _figures(found: Mapping[str, Any]) -> str:
    pairs = [f"{name} {_pair(pair)}" for name, pair in found["different"].items()]
    return _listed(pairs) if pairs else "identical"


def _history(found: Mapping[str, Any]) -> str:
    parting = found["parting"]
    if parting is None:
        return "identical"
    columns = f" ({_listed(parting['columns'])})" if parting["columns"] else ""
    return f"from row {parting['row']} on{columns}; {_pair(found['rows'])} rows"


def _difference(found: Mapping[str, Any]) -> str:
    parts = []
    for name, value in found.items():
        if name in ("changed", "added", "removed", "in another split"):
            parts.append(f"{len(value)} {name}: {_listed(value)}")
        elif isinstance(value, list):
            parts.append(f"{name} {_pair(value)}")
        else:
            parts.append(name)
    return "; ".join(parts)


def _pair(values: Any) -> str:
    then, now = (
        "none" if value is None else value if isinstance(value, str) else json.dumps(value) for value in values
    )
    return then if then == now else f"{then} -> {now}"


def _listed(names: Any) -> str:
    every = [str(name) for name in names]
    return ", ".join(every[:_NAMED]) + (f" and {len(every) - _NAMED} more" if len(every) > _NAMED else "")
