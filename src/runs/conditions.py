"""What two runs were made under, and where that differs: code, versions, hardware, data, configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from src.config.settings import settings
from src.runs.directory import RunDirectory
from src.runs.record import read_record
from src.runs.samples import read_samples

HARDWARE = ("processor", "instructions", "cores", "gpus")
"""Of the record: a host's name changes no bit."""


def differing_conditions(then: RunDirectory, now: RunDirectory) -> dict[str, Any]:
    """Return what differs between the conditions of two runs, by kind; a kind in which nothing does is left out.

    A value that differs is the pair of then and now; None stands for what was not there.
    """
    first, second = read_record(then.path), read_record(now.path)
    continued = [len(record.get("continued") or ()) for record in (first, second)]
    found = {
        "code": differing_code(recorded_code(then), recorded_code(now), first.get("code"), second.get("code")),
        "versions": differing_records(first.get("versions"), second.get("versions")),
        "hardware": _known(differing_values(_hardware(first), _hardware(second))),
        "data": _data(then, now, first, second),
        "started from": _known(
            differing_values({"weights": first.get("started_from")}, {"weights": second.get("started_from")})
        ),
        "continued": {"times": continued} if continued[0] != continued[1] else {},
        "configuration": differing_values(_settings(then), _settings(now)),
    }
    return {kind: difference for kind, difference in found.items() if difference}


def differing_code(
    then: Mapping[str, Any] | None,
    now: Mapping[str, Any] | None,
    commit_then: Mapping[str, Any] | None = None,
    commit_now: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the files whose content changed, and those that came and went, given what `code.json` says of each."""
    if then is None or now is None:
        known = differing_records(commit_then, commit_now)
        return known and {"not recorded file by file": True, **known}
    if then["digest"] == now["digest"]:
        return {}
    changed = _changes(then["files"], now["files"])
    return changed | differing_values(
        {"commit": (commit_then or {}).get("commit")}, {"commit": (commit_now or {}).get("commit")}
    )


def _data(then: RunDirectory, now: RunDirectory, first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    digests = [record.get("data_digest") or _digest(run) for run, record in ((then, first), (now, second))]
    if digests[0] == digests[1]:
        return {}
    before, after = read_samples(then), read_samples(now)
    if before is None or after is None:
        return {"digest": digests}
    contents = [{name: digest.partition("/")[0] for name, digest in samples.items()} for samples in (before, after)]
    changes = _changes(*contents)
    elsewhere = set(_changes(before, after).get("changed", ())) - set(changes.get("changed", ()))
    divided = {"in another split": sorted(elsewhere)} if elsewhere else {}
    return {"digest": digests, "samples": [len(before), len(after)]} | changes | divided


def _digest(run: RunDirectory) -> str | None:
    """Return the digest of a run's data that has no record, such as an output of the pipeline."""
    try:
        return str(json.loads(run.data.read_text(encoding="utf-8"))["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _changes(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, list[str]]:
    changes = {
        "changed": sorted(name for name in then.keys() & now.keys() if then[name] != now[name]),
        "added": sorted(now.keys() - then.keys()),
        "removed": sorted(then.keys() - now.keys()),
    }
    return {kind: names for kind, names in changes.items() if names}


def differing_values(then: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the keys with another value now than then, with both; None stands for what is not there."""
    first, second = then or {}, now or {}
    keys = dict.fromkeys((*first, *second))
    return {key: [first.get(key), second.get(key)] for key in keys if first.get(key) != second.get(key)}


def differing_records(then: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `differing_values`, or that one of the two was not recorded."""
    return {"not recorded": True} if then is None or now is None else differing_values(then, now)


def _known(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """Those of which both were recorded: an older run said less."""
    return {key: pair for key, pair in pairs.items() if None not in pair}


def _hardware(record: Mapping[str, Any]) -> dict[str, Any]:
    known = record.get("hardware") or {}
    return {"threads": record.get("threads")} | {key: known.get(key) for key in HARDWARE}


def recorded_code(run: RunDirectory) -> dict[str, Any] | None:
    """Return what code.json says, None where a run has none that can be read."""
    try:
        found: dict[str, Any] = json.loads((run.path / "code.json").read_text(encoding="utf-8"))
        return {"digest": found["digest"], "files": dict(found["files"])}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _settings(run: RunDirectory) -> dict[str, Any]:
    return settings(yaml.safe_load(run.config.read_text(encoding="utf-8")))
