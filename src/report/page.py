"""The report of one run: `report.html`, a function of the files of its directory and of its task's sections."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from src.files import write_text
from src.report.capacity import WEIGHTS, learned_parameters
from src.report.curves import curves_section
from src.report.headline import baselines, headline_metrics
from src.report.layout import EXPLANATIONS, Section, explanations_link, lay_out, render
from src.report.naming import lookup, short, title, what
from src.report.numbers import duration, number

__all__ = ["Section", "highlight_yaml", "write_run_report"]

_FACTS = {
    "image size": "data.image_size",
    "batch size": "data.batch_size",
    "epochs": "trainer.max_epochs",
    "optimizer": "optimizer._target_",
    "learning rate": "optimizer.lr",
    "schedule": "scheduler._target_",
    "precision": "trainer.precision",
    "seed": "seed",
}
_MAX_CARDS = 8


def write_run_report(run_dir: Path, sections: Sequence[Section]) -> Path:
    """Write `report.html` into a run directory from config.yaml, metrics.csv, metrics.json, record.json and `sections`.

    Each of the four may be missing: its part of the page is then left out. Equal inputs give equal bytes.
    """
    config_text = _read(run_dir / "config.yaml")
    config = yaml.safe_load(config_text) or {}
    choices = (yaml.safe_load(_read(run_dir / "compose.yaml")) or {}).get("choices", {})
    config = config | {"choices": {group: choices.get(group) for group in ("model", "data")}}
    record = json.loads(_read(run_dir / "record.json") or "{}")
    metrics = json.loads(_read(run_dir / "metrics.json") or "{}")
    monitor = str(lookup(config, "model.monitor"))
    kept = (monitor, metrics[monitor]) if monitor in metrics else None
    curves = curves_section(run_dir / "metrics.csv", kept) if (run_dir / "metrics.csv").exists() else None
    whole = [*([curves] if curves else []), *sections]
    if config_text:
        whole.append(Section("Configuration", render("config.html", lines=highlight_yaml(config_text))))
    if record:
        whole.append(Section("Record", render("record.html", blocks=_blocks(record))))
    path = run_dir / "report.html"
    links = [explanations_link()] if (run_dir / EXPLANATIONS).is_file() else []
    parameters = learned_parameters(run_dir / WEIGHTS)
    write_text(path, lay_out(title(config), _headline(config, metrics, record, parameters), whole, links))
    return path


def highlight_yaml(text: str) -> Markup:
    """Mark keys, numbers, words such as `null` and comments up, line by line, escaping everything."""
    return Markup("\n").join(_highlight_line(line) for line in text.splitlines())


def _highlight_line(line: str) -> Markup:
    match = re.match(r"(\s*(?:- )*)(?:([^\s#'\"-][^:#]*)(:)(?=\s|$))?(\s*)(.*)", line)
    assert match, "every part may be empty"
    indent, key, colon, space, value = (part or "" for part in match.groups())
    kind = "comment" if value.startswith("#") else "literal" if _is_literal(value) else "string"
    return Markup("{}<b>{}</b>{}{}<i class={}>{}</i>").format(indent, key, colon, space, kind, value)


def _is_literal(value: str) -> bool:
    return re.fullmatch(r"null|true|false|~|[-+]?\.?\d[\d._]*(e[-+]?\d+)?", value, re.IGNORECASE) is not None


def _headline(
    config: Mapping[str, Any], metrics: Mapping[str, float], record: Mapping[str, Any], parameters: int | None
) -> Markup:
    chosen_by = str(lookup(config, "model.monitor")).partition("/")[2]
    facts = {"parameters": None if parameters is None else number(parameters)}
    facts |= {name: short(path, lookup(config, path)) for name, path in _FACTS.items()}
    if record.get("seconds"):
        facts["time"] = duration(sum(record["seconds"].values()))
    if record.get("images_per_second"):
        facts["images/s"] = number(record["images_per_second"])
    return render(
        "headline.html",
        title=title(config),
        what=what(config) if config.get("name") else "",
        tags=config.get("tags") or [],
        status=record.get("status"),
        reason=record.get("reason"),
        facts={name: value for name, value in facts.items() if value not in (None, "", "auto")},
        cards=_cards(metrics, chosen_by),
        baselines={name: metrics[name] for name in baselines(metrics)},
    )


def _cards(metrics: Mapping[str, float], chosen_by: str) -> list[tuple[str, float]]:
    """The figures to begin with."""
    return [(name, metrics[name]) for name in headline_metrics(metrics, chosen_by)[:_MAX_CARDS]]


def _blocks(record: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The record as titled lists: single values first, then every mapping as its own."""
    single = {key: value for key, value in record.items() if not isinstance(value, Mapping)}
    return {"run": single} | {key: value for key, value in sorted(record.items()) if isinstance(value, Mapping)}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
