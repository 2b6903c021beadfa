"""A mistake in a configuration, and a list of them as a person reads it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from src.errors import UserError

COMMAND_LINE = "command line"


@dataclass(frozen=True)
class Problem:
    """One mistake: the file (with its line) or "command line", the dotted key or what was typed, and what to do."""

    where: str
    key: str
    what: str
    suggestion: str = ""


class ConfigurationError(UserError):
    """Everything that is wrong with a configuration, in one message."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(render(problems))
        self.problems = tuple(problems)


def render(problems: Sequence[Problem]) -> str:
    """Lay the problems out in columns, those of the command line first, each mentioned once."""
    ordered = sorted(dict.fromkeys(problems), key=lambda problem: problem.where != COMMAND_LINE)
    count = "1 mistake" if len(ordered) == 1 else f"{len(ordered)} mistakes"
    first, second = (_width(getattr(problem, column) for problem in ordered) for column in ("where", "key"))
    lines = [
        f"  {problem.where:{first}}  {problem.key:{second}}  "
        + "; ".join(part for part in (problem.what, problem.suggestion) if part)
        for problem in ordered
    ]
    return "\n".join([f"{count} in the configuration:", *lines])


def nearest(word: str, candidates: Collection[str]) -> str | None:
    """Return the candidate that was likely meant: equal but for separators or the order of letters, else similar."""
    plain = {candidate: _squeezed(candidate) for candidate in candidates}
    wanted = _squeezed(word)
    for alike in (str, sorted):
        for candidate, squeezed in plain.items():
            if alike(squeezed) == alike(wanted):
                return candidate
    close = difflib.get_close_matches(wanted, list(plain.values()), n=5, cutoff=0.6)
    near = [candidate for candidate, squeezed in plain.items() if squeezed in close]
    return max(
        near, key=lambda candidate: difflib.SequenceMatcher(None, plain[candidate], wanted).ratio(), default=None
    )


def did_you_mean(word: str, candidates: Collection[str]) -> str:
    """Return the question to put behind a mistake, or nothing where no candidate is near."""
    match = nearest(word, candidates)
    return f"did you mean {match}?" if match else ""


def listing(names: Iterable[str], most: int = 30) -> str:
    """Return the names separated by commas, the first `most` of them."""
    ordered = list(names)
    return ", ".join(ordered[:most]) + (", ..." if len(ordered) > most else "")


def _squeezed(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


def _width(texts: Iterable[str]) -> int:
    """Return the width of a column, bounded so that one long entry does not push all others away."""
    return min(60, max(map(len, texts), default=0))
