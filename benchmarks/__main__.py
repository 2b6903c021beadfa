"""All benchmarks, as tables in Markdown (make bench): printed, written to RESULTS.md, and shown in the README.

A section is a module of this folder with a `main()` that returns its Markdown; every such module runs, in a process of
its own. Names of sections may be given: `python -m benchmarks step startup`.
"""

from __future__ import annotations

import datetime
import os
import pkgutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import ROOT, machine

HELPERS = ("__main__", "measure")
"""Modules without a table."""
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
RESULTS = ROOT / "benchmarks" / "RESULTS.md"


def sections() -> list[str]:
    """Return the names of all sections."""
    found = [module.name for module in pkgutil.iter_modules([str(ROOT / "benchmarks")])]
    return sorted(name for name in found if name not in HELPERS)


FAILED = "Not measured: "


def measured(name: str) -> str:
    """Return a section's Markdown; where it could not be measured, a line that says why."""
    program = f"from benchmarks import {name}; print({name}.main())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout.strip()
    reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    print(done.stderr, file=sys.stderr)
    return f"## {name}\n\n{FAILED}{reason}"


def headed(found: Sequence[str]) -> str:
    """Return the sections under a line with date, machine and versions."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    data = "" if os.environ.get("DATA_ROOT") else " DATA_ROOT is not set: what needs real images was not measured."
    head = f"{today}, {machine()}. Only ratios within a table can be compared: seconds are of this machine.{data}"
    return "\n\n".join([head, *found]) + "\n"


def with_tables(readme: str, tables: str) -> str:
    """Return the README with the tables between the two comments. Raises ValueError where they are not there."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md lacks the comments {BEGIN} and {END}")
    smaller = tables.replace("\n## ", "\n### ")
    return f"{before}{BEGIN}\n{smaller}{END}{after}"


def main(names: Sequence[str]) -> None:
    """Run the named sections; all of them are also written to files. Exit code 1 where one could not be measured."""
    known = sections()
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"no such section: {', '.join(unknown)}; there are {', '.join(known)}")
    found = []
    for name in names or known:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        found.append(measured(name))
        print(found[-1], end="\n\n", flush=True)
    if not names:
        tables = headed(found)
        RESULTS.write_text(f"# How fast it is\n\n{tables}")
        readme = Path(ROOT, "README.md")
        readme.write_text(with_tables(readme.read_text(), tables))
        print(RESULTS.relative_to(ROOT))
    if any(FAILED in section for section in found):
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
