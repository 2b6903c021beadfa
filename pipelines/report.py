"""Writes a page over runs: `python -m pipelines.report RUN_DIR... [output=report.html] [reproducible=true]`.

A folder may be a run or hold runs, and a glob may name many.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from src.config.command import end_with
from src.config.groups import readable
from src.config.problems import nearest
from src.errors import UserError
from src.report.find import find_runs
from src.report.overview import write_report

OPTIONS = {"output": "report.html", "reproducible": "false"}


def main(arguments: Sequence[str]) -> None:
    """Write the page and the Markdown file beside it, and print where they are."""
    if {"--help", "-h"} & set(arguments):
        print(__doc__)
        return
    named, options = _parsed(arguments)
    output = Path(options["output"])
    write_report(find_runs(named), output, reproducible=options["reproducible"] == "true")
    print(readable(output.with_suffix(".md").resolve()))
    print(readable(output.resolve()))


def _parsed(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the folders, and the options with their defaults. Raises UserError where an option is unknown."""
    named, options = [], dict(OPTIONS)
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if argument.startswith("-"):
            raise UserError(f"{argument}: there are no such flags; type {_USAGE}")
        if not equals or Path(argument).exists() or "/" in key:
            named.append(argument)
        elif key not in OPTIONS:
            near = nearest(key, OPTIONS)
            raise UserError(f"{argument}: unknown{f'; did you mean {near}={value}?' if near else ''} ({_USAGE})")
        else:
            options[key] = value
    if options["reproducible"] not in ("true", "false"):
        raise UserError(f"reproducible={options['reproducible']}: type true or false")
    if not named:
        raise UserError(f"no run directory is named; type {_USAGE}")
    return named, options


_USAGE = "python -m pipelines.report RUN_DIR... [output=report.html] [reproducible=true]"


if __name__ == "__main__":
    end_with(lambda: main(sys.argv[1:]))
