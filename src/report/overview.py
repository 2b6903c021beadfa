"""The report over any number of runs: one self-contained page, and its Markdown twin for pull requests."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from markupsafe import Markup

from src.config.settings import placeless
from src.errors import UserError
from src.files import write_text
from src.report.capacity import capacity_section
from src.report.comparison_tables import difference_table, provenance_table, run_tables, seed_tables
from src.report.groups import comparable, grouped
from src.report.layout import Section, encodable, lay_out, render
from src.report.overlay import overlay_section
from src.report.runs import Run, read_runs
from src.report.tables import Table, escaped

WITH_PICTURES = 24
"""Runs up to which the page holds each one's own sections, pictures included."""
OPEN = 4
"""Runs up to which they are unfolded from the start."""
MARKDOWN_ROWS = 50
"""Of each table of the Markdown twin, which a pull request's comment must hold."""
NAMED = 4
"""Data sets that a title names."""
FENCE = "```"
GALLERIES = ("worst", "best", "mistake", "surest", "wrong", "nearest", "farthest", "embedding")
"""Words in the titles of sections that are folded: they take much room and little of the reader's time."""


def write_report(
    runs: Sequence[Path],
    output: Path,
    *,
    reproducible: bool,
    first: Sequence[Section] = (),
    explained: Collection[Path] | None = None,
    compared_by: tuple[str, str] | None = None,
) -> None:
    """Write a page over runs, whole or exported in part, and a Markdown file of the same name beside it.

    Only runs of one data set and learning problem are compared, by the metric that they were chosen by; `compared_by`
    is another, with its direction, such as a sweep's. Sections that the caller knows more of, such as a sweep's
    parameters, come `first`. It links to the explanations of the runs that are `explained`; None: of those that have
    them by now.

    With `reproducible` it is a function of what the directories hold, not of when, where and from which commit: no
    times, commits, messages of failures or absolute paths. Raises UserError where there is no run, with all
    directories that are none, and where the page would replace the report of a run.
    """
    if not runs:
        raise UserError("a report needs a run directory, or several")
    if output.suffix != ".html":
        raise UserError(f"output={output}: a report is an .html file, with an .md beside it")
    if any(path.resolve() == output.resolve().parent for path in runs):
        raise UserError(f"output={output} lies in a run directory, whose own report it would replace: name another")
    read = read_runs(runs, output, pictures=len(runs) <= WITH_PICTURES, explained=explained, compared_by=compared_by)
    tables = run_tables(read, reproducible=reproducible)
    seeds, differences = seed_tables(read), difference_table(read)
    provenance = provenance_table(read, reproducible=reproducible)
    sections = [
        *first,
        Section("Runs", _titled(tables)),
        *([Section("Over seeds", _SEEDS + _titled(seeds))] if seeds else []),
        Section("Settings that differ", differences.as_html() if differences else _EQUAL),
        *([curves] if (curves := overlay_section(read)) else []),
        *([capacity] if (capacity := capacity_section(read)) else []),
        Section("What was run", provenance.as_html()),
        Section("Each run", _each(read, reproducible=reproducible)),
    ]
    title = _title(read)
    facts = _facts(read, reproducible=reproducible)
    headline = render(
        "headline.html",
        title=title,
        what="",
        tags=[],
        status=None,
        reason=None,
        facts=facts,
        cards=_best(read),
        baselines={},
    )
    write_text(output, lay_out(title, headline, sections))
    parts = [("Runs", tables), ("Over seeds", seeds), ("Settings that differ", [differences] if differences else [])]
    parts += [("What was run", [provenance])]
    write_text(output.with_suffix(".md"), _markdown(title, facts, parts, read, reproducible=reproducible))


_SEEDS = Markup("<p>n runs that differ by the seed alone: their mean and sample standard deviation.</p>")
_EQUAL = Markup("<p>None: all runs were asked for the same.</p>")


def _titled(tables: Sequence[Table]) -> Markup:
    return Markup("").join(Markup("<h3>{}</h3>{}").format(table.title, table.as_html()) for table in tables)


def _title(runs: Sequence[Run]) -> str:
    kinds, sets = (dict.fromkeys(values) for values in ((run.what for run in runs), (run.data_set for run in runs)))
    count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    if len(kinds) <= 2:
        return f"{count}: {', '.join(kinds)}"
    return f"{count} on {', '.join(sets) if len(sets) <= NAMED else f'{len(sets)} data sets'}"


def _facts(runs: Sequence[Run], *, reproducible: bool) -> dict[str, str]:
    """What the headline says: how the runs ended, and of each digest the value, or how many different ones."""
    facts = {status: str(count) for status, count in sorted(Counter(run.status for run in runs).items())}
    for name in ("configuration", "code", "data"):
        found = {run.digests[name] for run in runs}
        only = next(iter(found)) if len(found) == 1 else None
        facts[name] = (only or "not recorded")[:16] if len(found) == 1 else f"{len(found)} different"
    if not reproducible:
        facts["written"] = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    return facts


def _best(runs: Sequence[Run]) -> list[tuple[str, float]]:
    """The best figure of each data set and learning problem, of those that its weights were chosen by."""
    first = {problem: grouped(members)[0] for problem, members in comparable(runs).items()}
    figures = {
        problem: (group.runs[0].monitor, group.spread(group.runs[0].monitor)) for problem, group in first.items()
    }
    return [(f"{problem}: best {name}", found.mean) for problem, (name, found) in figures.items() if found is not None]


def _each(runs: Sequence[Run], *, reproducible: bool) -> Markup:
    """Each run: how it ended, how to run it again, and, of few runs, what its own report shows of its answers."""
    shown = [
        {
            "run": run,
            "command": _command(run, reproducible=reproducible),
            "reason": None if reproducible else run.record.get("reason"),
            "open": [one for one in run.sections if not _is_gallery(one)],
            "folded": [one for one in run.sections if _is_gallery(one)],
        }
        for run in runs
    ]
    return render(
        "runs.html", runs=shown, few=len(runs) <= OPEN, pictures=len(runs) <= WITH_PICTURES, most=WITH_PICTURES
    )


def _is_gallery(section: Section) -> bool:
    return any(word in section.title.lower() for word in GALLERIES)


def _command(run: Run, *, reproducible: bool) -> str | None:
    """The command that runs the same again, in a reproducible report without places on this machine."""
    if run.command is None or not reproducible:
        return run.command
    return " ".join("=".join(placeless(part) for part in word.split("=", 1)) for word in run.command.split(" "))


def _markdown(
    title: str,
    facts: dict[str, str],
    parts: Sequence[tuple[str, Sequence[Table]]],
    runs: Sequence[Run],
    *,
    reproducible: bool,
) -> str:
    lines = [f"# {escaped(title)}", "", ", ".join(f"{escaped(name)} {value}" for name, value in facts.items()), ""]
    for heading, tables in parts:
        lines += [f"## {heading}", ""] if tables else []
        for table in tables:
            lines += [f"### {escaped(table.title)}", ""] if heading != table.title else []
            lines += [table.as_markdown(MARKDOWN_ROWS), ""]
    commands = [(run.label, _command(run, reproducible=reproducible)) for run in runs]
    known = [f"{command}  # {label}" for label, command in commands if command]
    if known:
        lines += ["## Run them again", "", FENCE + "sh", *map(_on_a_line, known[:MARKDOWN_ROWS]), FENCE, ""]
    return encodable("\n".join(lines))


def _on_a_line(text: str) -> str:
    """Return text that cannot end the block of commands that it stands in."""
    return " ".join(text.splitlines()).replace(FENCE, "'" * len(FENCE))
