"""The layers of a network as a table: for a terminal, Markdown, a spreadsheet or a program (chapter, Table 6.1)."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, Literal

from src.networks.trace import Layer, Trace

COLUMNS = ("layer", "kind", "output", "neurons", "parameters", "field", "stride", "multiply-adds", "module")
RIGHT = ("layer", "neurons", "parameters", "field", "stride", "multiply-adds")

Row = dict[str, Any]


def layer_table(
    trace: Trace, network: str, image: tuple[int, int], form: Literal["table", "markdown", "csv", "json"]
) -> str:
    """Return a network's layers, totals and counts for images of (channels, pixels of a side).

    Layers of equation (6.22) have a number: convolutions, dense layers, pooling with a fixed window. Others that are
    shown do something without being counted.
    """
    rows = numbered(trace)
    if form == "json":
        return json.dumps(_document(trace, rows, network, image), indent=2)
    if form == "csv":
        return _csv(rows)
    texts = [[_shown(row[column]) for column in COLUMNS] for row in rows]
    texts.append([_shown(_total(trace).get(column, "")) for column in COLUMNS])
    side = image[1]
    outputs = trace.layers[-1].output[0] if trace.layers else 0
    head = f"{network} for images of {image[0]} x {side} x {side} and {outputs} outputs"
    table = _markdown(texts) if form == "markdown" else _plain(texts)
    return "\n".join([head, "", table, "", *_counted(trace)])


def numbered(trace: Trace) -> list[Row]:
    """Return a row per layer with the keys of `COLUMNS`; `layer` is None where equation (6.22) does not count it."""
    rows, number = [], 0
    for layer in trace.layers:
        counted = layer.kind in ("convolution", "dense", "pooling")
        number += counted
        rows.append(_row(layer, number if counted else None))
    return rows


def _row(layer: Layer, number: int | None) -> Row:
    field = layer.field
    sizes = None if field is None else (field.rows.size, field.columns.size)
    strides = None if field is None else (field.rows.stride, field.columns.stride)
    return {
        "layer": number,
        "kind": f"{layer.kind} {layer.detail}".strip(),
        "output": list(layer.output),
        "neurons": layer.neurons,
        "parameters": layer.parameters,
        "field": _one(sizes),
        "stride": _one(strides) or None,
        "multiply-adds": layer.multiply_adds,
        "module": layer.name,
    }


def _one(pair: tuple[int, int] | None) -> int | list[int] | None:
    """Return a size that is the same in both directions once."""
    if pair is None:
        return None
    return pair[0] if pair[0] == pair[1] else list(pair)


def _total(trace: Trace) -> Row:
    counted = [layer for layer in trace.layers if layer.kind in ("convolution", "dense", "pooling")]
    return {
        "kind": "total",
        "neurons": sum(layer.neurons for layer in counted),
        "parameters": trace.parameters,
        "multiply-adds": sum(layer.multiply_adds for layer in trace.layers),
    }


def _document(trace: Trace, rows: list[Row], network: str, image: tuple[int, int]) -> dict[str, Any]:
    counts, total = trace.counts, _total(trace)
    return {
        "network": network,
        "input": [image[0], image[1], image[1]],
        "layers": rows,
        "neurons": total["neurons"],
        "parameters": total["parameters"],
        "multiply_adds": total["multiply-adds"],
        "unused_parameters": trace.unused_parameters,
        "L": counts.total,
        "L_train": counts.trained,
        "L_pool": counts.pooling,
        "L_conv": counts.convolutions,
        "L_dense": counts.dense,
        "longest_path": trace.longest_path,
    }


def _counted(trace: Trace) -> list[str]:
    counts = trace.counts
    lines = [
        f"L = {counts.total} layers: L_train = {counts.trained} (L_conv = {counts.convolutions}, "
        f"L_dense = {counts.dense}) and L_pool = {counts.pooling}; {trace.longest_path} learned layers on the longest "
        "path"
    ]
    if trace.unused_parameters:
        lines.append(f"{trace.unused_parameters:,} parameters more learn, but take no part in evaluation")
    return lines


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " x ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _csv(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = (row[column] for column in COLUMNS)
        writer.writerow("x".join(map(str, cell)) if isinstance(cell, list) else cell for cell in cells)
    return text.getvalue().rstrip("\n")


def _plain(rows: list[list[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(COLUMNS, *rows, strict=True)]
    lines = [list(COLUMNS), ["-" * width for width in widths], *rows]
    return "\n".join("  ".join(_aligned(cells, widths)).rstrip() for cells in lines)


def _aligned(cells: list[str], widths: list[int]) -> list[str]:
    return [
        cell.rjust(width) if column in RIGHT else cell.ljust(width)
        for column, cell, width in zip(COLUMNS, cells, widths, strict=True)
    ]


def _markdown(rows: list[list[str]]) -> str:
    rule = ["---:" if column in RIGHT else "---" for column in COLUMNS]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (list(COLUMNS), rule, *rows))
